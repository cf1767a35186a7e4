-- The intents of a batch. Arguments: number. Row: sales, intents.
SELECT sales, intents FROM batches WHERE number = ?
