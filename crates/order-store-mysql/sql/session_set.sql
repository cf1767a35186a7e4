-- What a session must not do for long: wait for a row, be idle (a transaction whose client is gone is rolled back then),
-- wait for the rest of a statement, wait for a client that reads nothing. Arguments: seconds, four times.
SET SESSION innodb_lock_wait_timeout = ?, SESSION wait_timeout = ?, SESSION net_read_timeout = ?,
    SESSION net_write_timeout = ?
