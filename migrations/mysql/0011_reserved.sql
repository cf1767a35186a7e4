-- The units that orders have and that are still in `saleable`: of sales whose units leave at the shipment.
ALTER TABLE sales ADD COLUMN reserved BIGINT UNSIGNED NOT NULL DEFAULT 0;
