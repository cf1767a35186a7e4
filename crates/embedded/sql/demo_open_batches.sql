-- Batches that the ledger has deducted and nobody has settled. No arguments. Row: count.
SELECT count(*) FROM batches LEFT JOIN outcomes USING (number) WHERE outcomes.number IS NULL
