-- +goose Up

-- What each unit of a trial experienced in each step; data is the fold's encoding.
CREATE TABLE trial_unit (
    trial TEXT NOT NULL,
    step  INTEGER NOT NULL,
    unit  TEXT NOT NULL,
    data  BLOB NOT NULL,
    PRIMARY KEY (trial, step, unit)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE trial_unit;
