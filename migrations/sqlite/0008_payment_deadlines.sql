-- The time to pay an order after it was placed; 0: orders have no payment deadline, as those of all sales of before.
ALTER TABLE sales ADD COLUMN pay_within_ms INTEGER NOT NULL DEFAULT 0;

-- When orders are due: one row a batch and time, written with its orders and deleted when they are no longer due. The
-- orders of a batch are placed at the same time, so that a batch has a row for each `pay_within_ms` among the sales of
-- its confirmed orders that cost something. `at_ms` comes first, so that the earliest deadlines are the first rows.
CREATE TABLE payment_deadlines (
    at_ms            INTEGER NOT NULL,
    first_order_id   INTEGER NOT NULL,
    PRIMARY KEY (at_ms, first_order_id)
) STRICT, WITHOUT ROWID;
