-- Needs each right that the worker uses, and reads and writes no row. No arguments. One statement per line, each
-- executed by itself: the error of the first one that fails names the missing right and the table.
INSERT INTO sales SELECT * FROM sales WHERE FALSE
UPDATE sales SET id = id WHERE FALSE
INSERT INTO batches SELECT * FROM batches WHERE FALSE
INSERT INTO orders SELECT * FROM orders WHERE FALSE
UPDATE orders SET id = id WHERE FALSE
INSERT INTO order_events SELECT * FROM order_events WHERE FALSE
INSERT INTO unpublished_events SELECT * FROM unpublished_events WHERE FALSE
DELETE FROM unpublished_events WHERE FALSE
INSERT INTO payment_deadlines SELECT * FROM payment_deadlines WHERE FALSE
DELETE FROM payment_deadlines WHERE FALSE
INSERT INTO payment_attempts SELECT * FROM payment_attempts WHERE FALSE
UPDATE payment_attempts SET order_id = order_id WHERE FALSE
INSERT INTO payment_callbacks SELECT * FROM payment_callbacks WHERE FALSE
DELETE FROM payment_callbacks WHERE FALSE
INSERT INTO refunds SELECT * FROM refunds WHERE FALSE
UPDATE refunds SET order_id = order_id WHERE FALSE
INSERT INTO due_checks SELECT * FROM due_checks WHERE FALSE
UPDATE due_checks SET order_id = order_id WHERE FALSE
DELETE FROM due_checks WHERE FALSE
INSERT INTO due_refunds SELECT * FROM due_refunds WHERE FALSE
UPDATE due_refunds SET order_id = order_id WHERE FALSE
DELETE FROM due_refunds WHERE FALSE
INSERT INTO repair_events SELECT * FROM repair_events WHERE FALSE
UPDATE repair_events SET id = id WHERE FALSE
INSERT INTO dead_letters SELECT * FROM dead_letters WHERE FALSE
UPDATE dead_letters SET letter = letter WHERE FALSE
UPDATE deployment SET singleton = singleton WHERE FALSE
UPDATE health_checks SET singleton = singleton WHERE FALSE
