-- Records the result of a repair. Arguments: after, ended, id. Affected rows: 1, or 0 if it has ended already.
UPDATE repair_events SET after_text = ?, ended_at_ms = ? WHERE id = ? AND ended_at_ms IS NULL
