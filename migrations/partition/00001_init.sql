-- +goose Up

-- Immutable runs of events in log order; first is the position of the first event.
-- Neighbours may be merged into one. oldest and newest bound observed_at.
CREATE TABLE segment (
    first  INTEGER PRIMARY KEY,
    count  INTEGER NOT NULL,
    oldest INTEGER NOT NULL,
    newest INTEGER NOT NULL,
    data   BLOB NOT NULL
) STRICT;

-- An index run says which of a range of segments hold which entities. segments
-- lists their first positions; bits says how many chunks each kind has (2^bits).
CREATE TABLE run (
    id       INTEGER PRIMARY KEY,
    past     INTEGER NOT NULL,
    bits     INTEGER NOT NULL,
    segments BLOB NOT NULL
) STRICT;

-- id packs run, kind and the leading bits of the hash.
CREATE TABLE chunk (
    id   INTEGER PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;

-- +goose Down
DROP TABLE chunk;
DROP TABLE run;
DROP TABLE segment;
