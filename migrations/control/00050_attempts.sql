-- +goose Up
-- Events that a policy refused, counted by who sent them and about what. Times are Unix
-- nanoseconds.
CREATE TABLE policy_attempts (
    key_id          TEXT NOT NULL,
    feature         TEXT NOT NULL, -- '' = further features of the key
    action          TEXT NOT NULL,
    service         TEXT NOT NULL,
    key_name        TEXT NOT NULL,
    count           INTEGER NOT NULL CHECK (count >= 1),
    first_at        INTEGER NOT NULL,
    last_at         INTEGER NOT NULL,
    event_id        TEXT NOT NULL, -- of the last
    policy          TEXT NOT NULL,
    policy_revision INTEGER NOT NULL,
    policy_version  TEXT NOT NULL,
    PRIMARY KEY (key_id, feature, action, service)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE policy_attempts;
