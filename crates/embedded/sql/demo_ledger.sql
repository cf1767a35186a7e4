-- A sale in the ledger. Arguments: sale id. Row: available, units returned by orders that were confirmed.
SELECT available, released FROM sales WHERE id = ?
