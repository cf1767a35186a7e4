-- Which store this is, and which ledger is registered. No arguments. Rows: one: store_id, ledger_id (or NULL).
SELECT store_id, ledger_id FROM deployment WHERE singleton = 1
