-- +goose Up
-- What people decided about conflicts. A later revision corrects an earlier one; no
-- row is changed but for told_at, which is set once the event of the decision is in
-- the telemetry. Times are Unix nanoseconds; 0 means never.
CREATE TABLE conflict_decisions (
    conflict TEXT NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    feature  TEXT NOT NULL,
    at       INTEGER NOT NULL,
    told_at  INTEGER NOT NULL,
    body     BLOB NOT NULL, -- JSON
    PRIMARY KEY (conflict, revision)
) STRICT, WITHOUT ROWID;
CREATE INDEX conflict_decisions_untold ON conflict_decisions (at) WHERE told_at = 0;

-- +goose Down
DROP TABLE conflict_decisions;
