-- Records the start of a repair. Arguments: sale id (or NULL), kind, actor, reason, before, began.
-- The id is the statement's last insert id.
INSERT INTO repair_events (sale_id, kind, actor, reason, before_text, began_at_ms) VALUES (?, ?, ?, ?, ?, ?)
