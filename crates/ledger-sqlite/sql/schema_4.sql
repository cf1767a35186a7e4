-- From version 3 of the schema to version 4. No arguments.
ALTER TABLE sales ADD COLUMN released INTEGER NOT NULL DEFAULT 0;
CREATE TABLE returns (order_id INTEGER PRIMARY KEY) STRICT;
