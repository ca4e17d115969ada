-- +goose Up
-- The Merkle log of every change of control data. A leaf is the entry in canonical
-- JSON; the other columns repeat it for searching. audit_hashes holds the tree in
-- the numbering of golang.org/x/mod/sumdb/tlog.
CREATE TABLE audit_entries (
    n       INTEGER PRIMARY KEY CHECK (n >= 0),
    at      INTEGER NOT NULL, -- Unix nanoseconds
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    leaf    BLOB NOT NULL
) STRICT;
CREATE INDEX audit_by_actor ON audit_entries (actor, n);
CREATE INDEX audit_by_action ON audit_entries (action, n);
CREATE INDEX audit_by_subject ON audit_entries (subject, n);

CREATE TABLE audit_hashes (
    i    INTEGER PRIMARY KEY CHECK (i >= 0),
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

-- +goose Down
DROP TABLE audit_hashes;
DROP TABLE audit_entries;
