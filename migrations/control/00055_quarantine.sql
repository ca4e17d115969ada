-- +goose Up
-- What somebody decided about events in quarantine: those with a label, of a feature
-- ('' = of any), up to a number. done_at is 0 until all of it is carried out.
CREATE TABLE quarantine_orders (
    id      TEXT PRIMARY KEY,
    action  TEXT NOT NULL CHECK (action IN ('release', 'discard')),
    feature TEXT NOT NULL,
    label   TEXT NOT NULL,
    through INTEGER NOT NULL,
    events  INTEGER NOT NULL,
    actor   TEXT NOT NULL,
    reason  TEXT NOT NULL,
    at      INTEGER NOT NULL,
    done_at INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX quarantine_orders_at ON quarantine_orders (at DESC, id);

-- +goose Down
DROP TABLE quarantine_orders;
