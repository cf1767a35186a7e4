-- Extends the retention of a settled batch, if it ends earlier. Arguments: expires at, number.
UPDATE outcomes SET expires_at_ms = max(expires_at_ms, ?) WHERE number = ?
