-- Marks an event as published; an unknown or marked one is ignored. The time of the event leads to the row.
-- Arguments: order id, version. Affected rows: 1, or 0 if it was not unpublished.
DELETE FROM unpublished_events
WHERE at_ms = (SELECT at_ms FROM order_events WHERE order_id = ?1 AND version = ?2) AND order_id = ?1 AND version = ?2
