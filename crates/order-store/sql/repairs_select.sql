-- A page of repairs, the latest first. Arguments: id after the page, rows at most.
SELECT id, sale_id, kind, actor, reason, before_text, after_text, began_at_ms, ended_at_ms
FROM repair_events WHERE id < ? ORDER BY id DESC LIMIT ?
