-- Deletes the outcome of an expired batch. Arguments: number.
DELETE FROM outcomes WHERE number = ?
