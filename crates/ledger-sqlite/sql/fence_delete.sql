-- Lifts the fence on a base. Arguments: base.
DELETE FROM fences WHERE base = ?
