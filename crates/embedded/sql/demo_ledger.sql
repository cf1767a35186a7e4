-- A sale in the ledger. Arguments: sale id.
-- Row: initial, restocked, returned, deducted, written off, available.
SELECT initial, restocked, returned, deducted, written_off, available FROM sales WHERE id = ?
