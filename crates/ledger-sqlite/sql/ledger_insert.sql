-- The only row of a new ledger. Arguments: shards.
INSERT INTO ledger (id, shards, starts) VALUES (1, ?, 0)
