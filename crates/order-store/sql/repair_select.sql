-- One repair. Arguments: id. Rows: at most one.
SELECT id, sale_id, kind, actor, reason, before_text, after_text, began_at_ms, ended_at_ms
FROM repair_events WHERE id = ?
