-- The fence on a base. Arguments: base. Row: nonce.
SELECT nonce FROM fences WHERE base = ?
