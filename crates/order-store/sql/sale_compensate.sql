-- A compensating step: corrects `saleable`, unless there were other steps or too few units are left. Updates one row by
-- its primary key, so that the hot row is locked for a commit and no longer.
-- Arguments: units to add, units to take, updated, sale id, steps before, units to add, units to take.
-- Affected rows: 1, or 0.
UPDATE sales
SET saleable = saleable + ? - ?, adjustments = adjustments + 1, lock_version = lock_version + 1, updated_at_ms = ?
WHERE id = ? AND adjustments = ? AND saleable + ? >= ?
