-- The identities of the ledger and of its order store. No arguments.
SELECT ledger_id, store_id FROM ledger WHERE id = 1
