-- +goose Up
-- Secrets that the server makes for itself, such as the one that signs pins; and how
-- often each flag was evaluated. Times are Unix nanoseconds.
CREATE TABLE secrets (
    name       TEXT PRIMARY KEY,
    value      BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE flag_usage (
    flag    TEXT NOT NULL,
    day     TEXT NOT NULL, -- UTC, YYYY-MM-DD
    variant TEXT NOT NULL, -- '' when the answer was the code's default, or an error
    reason  TEXT NOT NULL,
    count   INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (flag, day, variant, reason)
) STRICT, WITHOUT ROWID;
CREATE INDEX flag_usage_day ON flag_usage (day);

-- +goose Down
DROP TABLE flag_usage;
DROP TABLE secrets;
