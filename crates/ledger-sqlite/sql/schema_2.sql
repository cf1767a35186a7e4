-- From version 1 of the schema to version 2. No arguments.
ALTER TABLE sales ADD COLUMN adjustments INTEGER NOT NULL DEFAULT 0;
