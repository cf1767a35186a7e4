-- any state -> closed, final.
-- Arguments: updated, sale id. Affected rows: 1, or 0 if it is closed already.
UPDATE sales SET state = 'closed', updated_at_ms = ? WHERE id = ? AND state <> 'closed'
