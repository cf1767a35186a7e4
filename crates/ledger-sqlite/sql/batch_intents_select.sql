-- What a batch asked for. Arguments: number. Row: sales, intents.
SELECT sales, intents FROM batches WHERE number = ?
