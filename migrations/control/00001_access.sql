-- +goose Up
-- Who may do what: API keys (only their hash), sign-in links, browser sessions.
-- Times are Unix nanoseconds; 0 means never.
CREATE TABLE api_keys (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    env        TEXT NOT NULL,
    hash       BLOB NOT NULL CHECK (length(hash) = 32),
    scopes     TEXT NOT NULL, -- space-separated, sorted
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER NOT NULL,
    last_used  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX api_keys_name ON api_keys (name, created_at);

CREATE TABLE sign_ins (
    hash       BLOB PRIMARY KEY CHECK (length(hash) = 32),
    user_name  TEXT NOT NULL,
    role       TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    token      TEXT PRIMARY KEY, -- a hash of the cookie's token
    data       BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- +goose Down
DROP TABLE sessions;
DROP TABLE sign_ins;
DROP TABLE api_keys;
