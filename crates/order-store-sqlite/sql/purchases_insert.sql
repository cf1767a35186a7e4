-- Stores taken keys. SQLITE_CONSTRAINT, and the transaction rolled back, if one has an order already.
-- Arguments of each row: sale id, key digest.
INSERT OR ROLLBACK INTO purchases (sale_id, key_digest) VALUES /*each*/(?, ?)/*each*/
