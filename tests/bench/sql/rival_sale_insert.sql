-- The hot row. Arguments: units.
INSERT INTO rival_sales
    (title, price_minor, currency, opens_at_ms, closes_at_ms, initial_stock, limit_per_buyer, quantity_max,
     deduct_policy, state, saleable, created_at_ms, updated_at_ms)
VALUES ('rival', 1, 'EUR', 0, 1, ?, 1, 1, 'at_order', 'preheated', initial_stock, 0, 0)
