-- Keeps a fence at least until then. Arguments: expires at, base.
UPDATE fences SET expires_at_ms = max(expires_at_ms, ?) WHERE base = ?
