-- Counts a start of a gateway. Arguments: the starts so far, with this one.
UPDATE ledger SET starts = ? WHERE id = 1
