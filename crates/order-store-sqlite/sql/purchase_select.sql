-- Whether a purchase has an order. Arguments: sale id, key digest. Rows: at most one.
SELECT 1 FROM purchases WHERE sale_id = ? AND key_digest = ?
