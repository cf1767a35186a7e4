-- Stores events of transitions. Arguments of each: order id, version, state before, its reason (or NULL), state after,
-- its reason (or NULL), actor, cause, at.
INSERT INTO order_events (order_id, version, from_state, from_reason, to_state, to_reason, actor, cause, at_ms)
VALUES /*each*/(?, ?, ?, ?, ?, ?, ?, ?, ?)/*each*/
