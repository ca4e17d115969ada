-- +goose Up

-- The service of a hop against policy, to ask by; it is in data as well.
ALTER TABLE violation ADD COLUMN service TEXT NOT NULL DEFAULT '';
UPDATE violation SET service = coalesce(json_extract(data, '$.service'), '');
CREATE INDEX violation_service ON violation (service, at DESC, id) WHERE service <> '';

-- +goose Down
DROP INDEX violation_service;
ALTER TABLE violation DROP COLUMN service;
