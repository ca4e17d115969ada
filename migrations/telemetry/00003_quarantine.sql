-- +goose Up

-- Events that wait for a decision, apart from the log. data is a segment of one event,
-- bytes its length as JSON. A number is never used again: an order names the last one
-- that it is about.
CREATE TABLE quarantine (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    event   TEXT NOT NULL UNIQUE,
    feature TEXT NOT NULL,
    held_at INTEGER NOT NULL,
    bytes   INTEGER NOT NULL,
    data    BLOB NOT NULL
) STRICT;
CREATE INDEX quarantine_feature ON quarantine (feature, number);
CREATE INDEX quarantine_held ON quarantine (held_at, number);

CREATE TABLE quarantine_label (
    label  TEXT NOT NULL,
    number INTEGER NOT NULL REFERENCES quarantine (number) ON DELETE CASCADE,
    PRIMARY KEY (label, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX quarantine_label_number ON quarantine_label (number);

-- +goose Down
DROP TABLE quarantine_label;
DROP TABLE quarantine;
