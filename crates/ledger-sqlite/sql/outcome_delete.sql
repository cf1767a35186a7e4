-- The decision about a batch that nobody needs any more. Arguments: number.
DELETE FROM outcomes WHERE number = ?
