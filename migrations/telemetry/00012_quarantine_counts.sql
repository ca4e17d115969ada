-- +goose Up

-- Labels with the feature of their event, so that the first and last event with a label of
-- a feature are one look-up each, and how many there are, so that nobody has to group all
-- that is held: it may be a million and more labels.
CREATE TABLE quarantine_label_new (
    label   TEXT NOT NULL,
    feature TEXT NOT NULL,
    number  INTEGER NOT NULL REFERENCES quarantine (number) ON DELETE CASCADE,
    PRIMARY KEY (label, feature, number)
) STRICT, WITHOUT ROWID;
INSERT INTO quarantine_label_new (label, feature, number)
    SELECT l.label, q.feature, l.number FROM quarantine_label l JOIN quarantine q ON q.number = l.number;
DROP TABLE quarantine_label;
ALTER TABLE quarantine_label_new RENAME TO quarantine_label;
CREATE INDEX quarantine_label_number ON quarantine_label (number);

CREATE TABLE quarantine_count (
    label   TEXT NOT NULL,
    feature TEXT NOT NULL,
    events  INTEGER NOT NULL,
    PRIMARY KEY (label, feature)
) STRICT, WITHOUT ROWID;
INSERT INTO quarantine_count (label, feature, events)
    SELECT label, feature, count(*) FROM quarantine_label GROUP BY label, feature;
CREATE INDEX quarantine_count_most ON quarantine_count (events DESC, feature, label);
CREATE INDEX quarantine_count_feature ON quarantine_count (feature, events DESC, label);

-- +goose StatementBegin
CREATE TRIGGER quarantine_counted AFTER INSERT ON quarantine_label BEGIN
    INSERT INTO quarantine_count (label, feature, events) VALUES (new.label, new.feature, 1)
        ON CONFLICT (label, feature) DO UPDATE SET events = events + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER quarantine_discounted AFTER DELETE ON quarantine_label BEGIN
    UPDATE quarantine_count SET events = events - 1 WHERE label = old.label AND feature = old.feature;
    DELETE FROM quarantine_count WHERE label = old.label AND feature = old.feature AND events = 0;
END;
-- +goose StatementEnd

-- +goose Down
DROP TRIGGER quarantine_counted;
DROP TRIGGER quarantine_discounted;
DROP TABLE quarantine_count;
CREATE TABLE quarantine_label_old (
    label  TEXT NOT NULL,
    number INTEGER NOT NULL REFERENCES quarantine (number) ON DELETE CASCADE,
    PRIMARY KEY (label, number)
) STRICT, WITHOUT ROWID;
INSERT INTO quarantine_label_old (label, number) SELECT label, number FROM quarantine_label;
DROP TABLE quarantine_label;
ALTER TABLE quarantine_label_old RENAME TO quarantine_label;
CREATE INDEX quarantine_label_number ON quarantine_label (number);
