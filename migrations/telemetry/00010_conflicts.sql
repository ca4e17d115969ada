-- +goose Up

-- A resolution that does not say whether a person was needed counts as automatic, as
-- it always did in the series; the rows of conflicts said otherwise.
UPDATE conflict SET state = 'auto' WHERE state = 'manual' AND json_extract(data, '$.auto') <> 1;

-- Open conflicts, oldest first, and the conflicts of one rule.
CREATE INDEX conflict_waiting ON conflict (at, id) WHERE state = 'open';
CREATE INDEX conflict_rule ON conflict (rule, at DESC, id);

-- +goose Down
DROP INDEX conflict_rule;
DROP INDEX conflict_waiting;
