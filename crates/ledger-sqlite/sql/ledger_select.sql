-- The settings of the ledger. No arguments. Row: shards, starts of gateways.
SELECT shards, starts FROM ledger WHERE id = 1
