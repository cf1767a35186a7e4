-- What an operator decided about a dead letter, in place of what was decided before. Arguments: letter, given up,
-- standing, repair id, decided.
REPLACE INTO dead_letters (letter, given_up_at_ms, standing, repair_id, decided_at_ms) VALUES (?, ?, ?, ?, ?)
