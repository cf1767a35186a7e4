-- What operators decided about dead letters: one row a letter, the last decision about it. Who decided, and why, is in
-- the row of the repair. A letter without a row waits.
--
-- `letter` is its place in the topic of dead letters, `broker/queue:offset`. A broker that lost its disk counts from 0
-- again: the moment at which it stored the letter tells the new one from the old.
CREATE TABLE dead_letters (
    letter           VARCHAR(160) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    given_up_at_ms   BIGINT UNSIGNED NOT NULL,
    standing         VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    repair_id        BIGINT UNSIGNED NOT NULL,
    decided_at_ms    BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (letter, given_up_at_ms)
) ENGINE = InnoDB;
