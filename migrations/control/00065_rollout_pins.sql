-- +goose Up
-- How many sessions hold pins: one sketch (flags/flagset, distinct.go) for each rollout,
-- variant and stretch of time in which the pins end. A pin itself is stored nowhere.
CREATE TABLE rollout_pins (
  rollout   TEXT NOT NULL,
  variant   TEXT NOT NULL,
  used      INTEGER NOT NULL, -- 0: units that were given one; 1: pins that came back
  until     INTEGER NOT NULL, -- Unix ns; none of them is good from then on
  broken_at INTEGER NOT NULL, -- Unix ns of the breaking of pins that they came after
  registers BLOB NOT NULL,
  PRIMARY KEY (rollout, variant, used, until, broken_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX rollout_pins_until ON rollout_pins (until);

-- +goose Down
DROP TABLE rollout_pins;
