-- A page of repairs, latest first. Arguments: last id of the previous page, maximum rows.
SELECT id, sale_id, kind, actor, reason, before_text, after_text, began_at_ms, ended_at_ms
FROM repair_events WHERE id < ? ORDER BY id DESC LIMIT ?
