-- Deletes the returns of a batch that is about to be deleted. The ids of its orders begin with its base, and end with an
-- index of 10 bits. Arguments: number.
DELETE FROM returns WHERE order_id BETWEEN
  (SELECT base FROM batches WHERE number = ?1) AND (SELECT base + 1023 FROM batches WHERE number = ?1)
