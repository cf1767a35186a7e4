-- From version 2 of the schema to version 3. No arguments.
ALTER TABLE ledger ADD COLUMN ledger_id BLOB;
ALTER TABLE ledger ADD COLUMN store_id BLOB;
