-- Which token of a chain was given again after its answer was lost, and how many
-- successive ones were. Export and clean-up know the rows already.

-- +goose Up

ALTER TABLE refresh_families ADD COLUMN retried TEXT NOT NULL DEFAULT '';
ALTER TABLE refresh_families ADD COLUMN retries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE remembered ADD COLUMN retried TEXT NOT NULL DEFAULT '';
ALTER TABLE remembered ADD COLUMN retries INTEGER NOT NULL DEFAULT 0;
