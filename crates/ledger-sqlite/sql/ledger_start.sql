-- Counts a start of a gateway. Arguments: the number of starts, including this one.
UPDATE ledger SET starts = ? WHERE id = 1
