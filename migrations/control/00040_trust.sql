-- +goose Up
-- The key that signs heads of the audit log, made once, and every head that was
-- signed with it. Times are Unix nanoseconds.
CREATE TABLE audit_key (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    name       TEXT NOT NULL,
    private    TEXT NOT NULL,
    public     TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE audit_checkpoints (
    size INTEGER PRIMARY KEY CHECK (size >= 0),
    at   INTEGER NOT NULL,
    note BLOB NOT NULL
) STRICT;

-- +goose Down
DROP TABLE audit_checkpoints;
DROP TABLE audit_key;
