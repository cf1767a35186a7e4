-- The decision about a dead letter. Arguments: letter, given up. Rows: at most one.
SELECT dead_letters.standing, dead_letters.repair_id, dead_letters.decided_at_ms, repair_events.actor,
    repair_events.reason
FROM dead_letters JOIN repair_events ON repair_events.id = dead_letters.repair_id
WHERE dead_letters.letter = ? AND dead_letters.given_up_at_ms = ?
