-- Records that the units of an order were returned. Arguments: order.
INSERT INTO returns (order_id) VALUES (?)
