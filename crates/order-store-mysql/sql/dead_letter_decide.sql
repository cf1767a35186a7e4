-- Stores the decision of an operator about a dead letter, and replaces an earlier one. REPLACE would need the right to
-- delete. Arguments: letter, given up, standing, repair id, decided.
INSERT INTO dead_letters (letter, given_up_at_ms, standing, repair_id, decided_at_ms) VALUES (?, ?, ?, ?, ?)
ON DUPLICATE KEY UPDATE standing = VALUES(standing), repair_id = VALUES(repair_id),
    decided_at_ms = VALUES(decided_at_ms)
