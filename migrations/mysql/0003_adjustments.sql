-- `adjustments` counts the compensating steps that corrected `saleable`. Nothing else moves it, so a step that names
-- the number it saw is done once.
ALTER TABLE sales ADD COLUMN adjustments BIGINT UNSIGNED NOT NULL DEFAULT 0;
