-- One unit of the hot row: the same conditional update as the order worker's. Arguments: sale.
UPDATE rival_sales SET saleable = saleable - 1, lock_version = lock_version + 1 WHERE id = ? AND saleable >= 1
