-- Stores the decision of an operator about a dead letter, and replaces an earlier one. Arguments: letter, given up,
-- standing, repair id, decided.
REPLACE INTO dead_letters (letter, given_up_at_ms, standing, repair_id, decided_at_ms) VALUES (?, ?, ?, ?, ?)
