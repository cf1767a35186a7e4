-- The orders of a batch. Arguments: base. Row: sales, intents, and states, which are null while it is open.
SELECT sales, intents, states FROM batches LEFT JOIN outcomes USING (number) WHERE base = ?
