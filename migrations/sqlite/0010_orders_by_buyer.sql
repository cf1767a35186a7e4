-- Lists the orders of a buyer. MySQL needs no index for it: there the unique key of the orders has the buyer's name.
CREATE INDEX orders_by_buyer ON orders (buyer_id);
