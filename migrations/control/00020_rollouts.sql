-- +goose Up
-- Rollouts with every transition, and the right to run their controller. Times are
-- Unix nanoseconds. The columns repeat of the body what is searched or constrained.
CREATE TABLE rollouts (
    id         TEXT PRIMARY KEY,
    flag       TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('draft', 'waiting', 'running', 'paused', 'completed', 'reverting', 'reverted')),
    revision   INTEGER NOT NULL CHECK (revision >= 1),
    created_at INTEGER NOT NULL,
    body       BLOB NOT NULL -- the whole rollout, JSON
) STRICT, WITHOUT ROWID;
CREATE INDEX rollouts_created ON rollouts (created_at, id);
-- A flag is decided about by one rollout at a time.
CREATE UNIQUE INDEX rollouts_active ON rollouts (flag) WHERE state IN ('running', 'paused', 'reverting');

CREATE TABLE rollout_transitions (
    rollout  TEXT NOT NULL REFERENCES rollouts (id),
    revision INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    body     BLOB NOT NULL, -- the whole transition, JSON
    PRIMARY KEY (rollout, revision)
) STRICT, WITHOUT ROWID;

CREATE TABLE leases (
    name   TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    until  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE leases;
DROP TABLE rollout_transitions;
DROP TABLE rollouts;
