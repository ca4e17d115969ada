-- +goose Up
-- Webhooks that also get the signed heads of the audit log, so that they are kept
-- where whoever may write this file cannot change them.
ALTER TABLE webhooks ADD COLUMN checkpoints INTEGER NOT NULL DEFAULT 0 CHECK (checkpoints IN (0, 1));

-- +goose Down
ALTER TABLE webhooks DROP COLUMN checkpoints;
