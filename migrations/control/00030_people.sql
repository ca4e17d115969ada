-- +goose Up
-- People: accounts, the teams that own features, links that set a password, and
-- whose each browser session is. Times are Unix nanoseconds; 0 means never.
CREATE TABLE users (
    name         TEXT PRIMARY KEY COLLATE NOCASE,
    role         TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    password     TEXT NOT NULL, -- argon2id in PHC form; '' = none
    issuer       TEXT NOT NULL, -- of the OpenID provider; '' = a local account
    subject      TEXT NOT NULL, -- the provider's name for the person
    created_at   INTEGER NOT NULL,
    disabled_at  INTEGER NOT NULL,
    last_sign_in INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX users_by_subject ON users (issuer, subject) WHERE issuer <> '';

CREATE TABLE teams (
    name       TEXT PRIMARY KEY,
    about      TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE team_members (
    team      TEXT NOT NULL REFERENCES teams (name) ON DELETE CASCADE,
    user_name TEXT NOT NULL COLLATE NOCASE REFERENCES users (name),
    source    TEXT NOT NULL CHECK (source IN ('local', 'claim')),
    PRIMARY KEY (team, user_name)
) STRICT, WITHOUT ROWID;
CREATE INDEX team_members_by_user ON team_members (user_name);

-- A feature has one owning team.
CREATE TABLE team_features (
    feature TEXT PRIMARY KEY,
    team    TEXT NOT NULL REFERENCES teams (name) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX team_features_by_team ON team_features (team);

-- Links that let a person choose a password, once. user_name '' makes the first
-- administrator.
CREATE TABLE invites (
    hash       BLOB PRIMARY KEY CHECK (length(hash) = 32),
    user_name  TEXT NOT NULL COLLATE NOCASE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE user_sessions (
    id         TEXT PRIMARY KEY,
    token      TEXT NOT NULL UNIQUE, -- as in sessions
    user_name  TEXT NOT NULL COLLATE NOCASE REFERENCES users (name),
    method     TEXT NOT NULL,
    address    TEXT NOT NULL,
    agent      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX user_sessions_by_user ON user_sessions (user_name, created_at);

-- Sessions from before name no account, and a sign-in link may now leave the role
-- of an account as it is ('').
DELETE FROM sessions;
DROP TABLE sign_ins;
CREATE TABLE sign_ins (
    hash       BLOB PRIMARY KEY CHECK (length(hash) = 32),
    user_name  TEXT NOT NULL,
    role       TEXT NOT NULL CHECK (role IN ('', 'viewer', 'operator', 'admin')),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Requests a second that a key may make; 0 = as many as the server allows any key.
ALTER TABLE api_keys ADD COLUMN rate REAL NOT NULL DEFAULT 0;

-- Managing keys was part of "control" and is a scope of its own now.
UPDATE api_keys SET scopes = 'admin ' || scopes WHERE ' ' || scopes || ' ' LIKE '% control %';

-- +goose Down
UPDATE api_keys SET scopes = replace(scopes, 'admin ', '') WHERE scopes LIKE 'admin %';
ALTER TABLE api_keys DROP COLUMN rate;
DROP TABLE sign_ins;
CREATE TABLE sign_ins (
    hash       BLOB PRIMARY KEY CHECK (length(hash) = 32),
    user_name  TEXT NOT NULL,
    role       TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
DELETE FROM sessions;
DROP TABLE user_sessions;
DROP TABLE invites;
DROP TABLE team_features;
DROP TABLE team_members;
DROP TABLE teams;
DROP TABLE users;
