-- Deletes an expired batch. Arguments: number.
DELETE FROM batches WHERE number = ?
