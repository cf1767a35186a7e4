-- Gives the ledger its identity. Arguments: ledger, order store.
UPDATE ledger SET ledger_id = ?, store_id = ? WHERE id = 1
