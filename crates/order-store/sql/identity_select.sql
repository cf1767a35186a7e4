-- The store's identity, and the registered ledger. No arguments. Rows: one: store_id, ledger_id (or NULL).
SELECT store_id, ledger_id FROM deployment WHERE singleton = 1
