-- +goose Up

-- One row: what the rollups include.
CREATE TABLE checkpoint (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    position INTEGER NOT NULL
) STRICT;
INSERT INTO checkpoint (one, position) VALUES (1, 0);

-- The files of raw events. The figures are final once sealed = 1.
CREATE TABLE partition (
    number   INTEGER PRIMARY KEY,
    first    INTEGER NOT NULL,
    sealed   INTEGER NOT NULL DEFAULT 0,
    events   INTEGER NOT NULL DEFAULT 0,
    segments INTEGER NOT NULL DEFAULT 0,
    oldest   INTEGER NOT NULL DEFAULT 0,
    newest   INTEGER NOT NULL DEFAULT 0
) STRICT;

-- name is the series as a JSON object without empty fields: equal series have
-- equal names, also after a field was added.
CREATE TABLE series (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- A block holds neighbouring windows of one series; id packs level, block and
-- series in that order, so that what is written at one time lies together.
CREATE TABLE block (
    id   INTEGER PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;

CREATE TABLE blob (
    name TEXT PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;

CREATE TABLE conflict (
    id      TEXT PRIMARY KEY,
    feature TEXT NOT NULL,
    key     TEXT NOT NULL,
    rule    TEXT NOT NULL,
    state   TEXT NOT NULL,
    at      INTEGER NOT NULL,
    data    TEXT NOT NULL
) STRICT;
CREATE INDEX conflict_at ON conflict (at DESC, id);
CREATE INDEX conflict_feature ON conflict (feature, at DESC, id);
CREATE INDEX conflict_key ON conflict (key, at DESC, id);
CREATE INDEX conflict_open ON conflict (feature, at DESC, id) WHERE state = 'open';

CREATE TABLE violation (
    id        TEXT PRIMARY KEY,
    feature   TEXT NOT NULL,
    guarantee TEXT NOT NULL,
    at        INTEGER NOT NULL,
    data      TEXT NOT NULL
) STRICT;
CREATE INDEX violation_at ON violation (at DESC, id);
CREATE INDEX violation_feature ON violation (feature, at DESC, id);
CREATE INDEX violation_guarantee ON violation (feature, guarantee, at DESC, id);

CREATE TABLE exemplar (
    feature  TEXT NOT NULL,
    replica  TEXT NOT NULL,
    start    INTEGER NOT NULL,
    octave   INTEGER NOT NULL,
    lag      INTEGER NOT NULL,
    write_id TEXT NOT NULL,
    key      TEXT NOT NULL,
    PRIMARY KEY (feature, replica, start, octave)
) STRICT, WITHOUT ROWID;
CREATE INDEX exemplar_start ON exemplar (start);

CREATE TABLE open_write (
    write_id   TEXT PRIMARY KEY,
    feature    TEXT NOT NULL,
    key        TEXT NOT NULL,
    key_entity INTEGER NOT NULL,
    initiated  INTEGER NOT NULL,
    missing    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX open_write_initiated ON open_write (initiated, write_id);
CREATE INDEX open_write_feature ON open_write (feature, initiated, write_id);
CREATE INDEX open_write_key ON open_write (key_entity);

CREATE TABLE heard (
    feature TEXT NOT NULL,
    service TEXT NOT NULL,
    replica TEXT NOT NULL,
    region  TEXT NOT NULL,
    first   INTEGER NOT NULL,
    last    INTEGER NOT NULL,
    events  INTEGER NOT NULL,
    PRIMARY KEY (feature, service, replica, region)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE heard;
DROP TABLE open_write;
DROP TABLE exemplar;
DROP TABLE violation;
DROP TABLE conflict;
DROP TABLE blob;
DROP TABLE block;
DROP TABLE series;
DROP TABLE partition;
DROP TABLE checkpoint;
