-- A table like that of the order worker, for the rival that places one order a transaction.
CREATE TABLE IF NOT EXISTS rival_sales LIKE sales
