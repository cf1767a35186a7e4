-- Timeouts of a session: waiting for a row, being idle (the transaction of a client that is gone is rolled back then),
-- waiting for the rest of a statement, waiting for a client that reads nothing. Arguments: seconds, four times.
SET SESSION innodb_lock_wait_timeout = ?, SESSION wait_timeout = ?, SESSION net_read_timeout = ?,
    SESSION net_write_timeout = ?
