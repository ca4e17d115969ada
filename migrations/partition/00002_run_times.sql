-- +goose Up

-- When the segments of a run were observed: for each the latest time in it and those
-- before it, as differences. NULL in runs of before, which are looked into whole.
ALTER TABLE run ADD COLUMN newest BLOB;

-- +goose Down
ALTER TABLE run DROP COLUMN newest;
