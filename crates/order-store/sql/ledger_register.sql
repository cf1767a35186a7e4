-- Registers a ledger, unless one is registered. Arguments: ledger id. Affected rows: 1, or 0 if one is registered.
UPDATE deployment SET ledger_id = ? WHERE singleton = 1 AND ledger_id IS NULL
