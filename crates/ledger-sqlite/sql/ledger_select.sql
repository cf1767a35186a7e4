-- How the ledger was made. No arguments. Row: shards, starts of gateways.
SELECT shards, starts FROM ledger WHERE id = 1
