-- +goose Up
-- Documents with every revision, their reviews and daily attainment; alerts; and
-- webhooks with their outbox. Times are Unix nanoseconds; 0 means never.
CREATE TABLE documents (
    seq      INTEGER PRIMARY KEY, -- order in which revisions became current
    kind     TEXT NOT NULL,
    name     TEXT NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    version  TEXT NOT NULL,
    hash     TEXT NOT NULL,
    content  BLOB NOT NULL,
    status   TEXT NOT NULL,
    feature  TEXT NOT NULL,
    actor    TEXT NOT NULL,
    reason   TEXT NOT NULL,
    at       INTEGER NOT NULL,
    restores INTEGER NOT NULL,
    UNIQUE (kind, name, revision)
) STRICT;

CREATE TABLE document_reviews (
    seq      INTEGER PRIMARY KEY,
    kind     TEXT NOT NULL,
    name     TEXT NOT NULL,
    revision INTEGER NOT NULL,
    decision TEXT NOT NULL,
    note     TEXT NOT NULL,
    actor    TEXT NOT NULL,
    at       INTEGER NOT NULL,
    FOREIGN KEY (kind, name, revision) REFERENCES documents (kind, name, revision)
) STRICT;
CREATE INDEX document_reviews_at ON document_reviews (kind, name, at);

CREATE TABLE attainment (
    guarantee TEXT NOT NULL,
    objective TEXT NOT NULL,
    day       TEXT NOT NULL,
    version   TEXT NOT NULL,
    good      INTEGER NOT NULL,
    eligible  INTEGER NOT NULL,
    goal      REAL NOT NULL,
    verdict   TEXT NOT NULL,
    PRIMARY KEY (guarantee, objective, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE alerts (
    id          TEXT PRIMARY KEY,
    guarantee   TEXT NOT NULL,
    objective   TEXT NOT NULL,
    rule        TEXT NOT NULL,
    feature     TEXT NOT NULL,
    severity    TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('firing', 'resolved')),
    fired_at    INTEGER NOT NULL,
    resolved_at INTEGER NOT NULL,
    body        BLOB NOT NULL -- the whole alert, JSON
) STRICT, WITHOUT ROWID;
CREATE INDEX alerts_fired ON alerts (fired_at, id);
CREATE UNIQUE INDEX alerts_firing ON alerts (guarantee, objective, rule) WHERE state = 'firing';

CREATE TABLE webhooks (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    url        TEXT NOT NULL,
    secret     TEXT NOT NULL,
    severities TEXT NOT NULL, -- comma-separated; '' = all
    enabled    INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE deliveries (
    id         TEXT PRIMARY KEY,
    webhook_id TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    alert_id   TEXT NOT NULL,
    type       TEXT NOT NULL,
    payload    BLOB NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts   INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    next_at    INTEGER NOT NULL,
    done_at    INTEGER NOT NULL,
    status     INTEGER NOT NULL,
    error      TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (next_at, created_at) WHERE state = 'pending';
CREATE INDEX deliveries_log ON deliveries (webhook_id, created_at);

-- +goose Down
DROP TABLE deliveries;
DROP TABLE webhooks;
DROP TABLE alerts;
DROP TABLE attainment;
DROP TABLE document_reviews;
DROP TABLE documents;
