-- Keeps a settled batch at least until then. Arguments: expires at, number.
UPDATE outcomes SET expires_at_ms = max(expires_at_ms, ?) WHERE number = ?
