-- Extends the retention of a fence, if it ends earlier. Arguments: expires at, base.
UPDATE fences SET expires_at_ms = max(expires_at_ms, ?) WHERE base = ?
