-- A batch that nobody needs any more. Arguments: number.
DELETE FROM batches WHERE number = ?
