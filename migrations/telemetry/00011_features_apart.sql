-- +goose Up

-- Two features may use the same write id, and the same session.
CREATE TABLE open_write_new (
    write_id   TEXT NOT NULL,
    feature    TEXT NOT NULL,
    key        TEXT NOT NULL,
    key_entity INTEGER NOT NULL,
    initiated  INTEGER NOT NULL,
    missing    TEXT NOT NULL,
    PRIMARY KEY (write_id, feature)
) STRICT, WITHOUT ROWID;
INSERT INTO open_write_new SELECT write_id, feature, key, key_entity, initiated, missing FROM open_write;
DROP TABLE open_write;
ALTER TABLE open_write_new RENAME TO open_write;
CREATE INDEX open_write_initiated ON open_write (initiated, write_id);
CREATE INDEX open_write_feature ON open_write (feature, initiated, write_id);
CREATE INDEX open_write_key ON open_write (key_entity);

UPDATE violation SET
    id = guarantee || ':' || length(CAST(feature AS BLOB)) || ':' || feature || substr(id, length(guarantee) + 1),
    data = json_set(data, '$.id', guarantee || ':' || length(CAST(feature AS BLOB)) || ':' || feature || substr(id, length(guarantee) + 1));

-- +goose Down
UPDATE violation SET
    id = guarantee || substr(id, length(guarantee) + length(length(CAST(feature AS BLOB))) + length(feature) + 3),
    data = json_set(data, '$.id', guarantee || substr(id, length(guarantee) + length(length(CAST(feature AS BLOB))) + length(feature) + 3));

CREATE TABLE open_write_old (
    write_id   TEXT PRIMARY KEY,
    feature    TEXT NOT NULL,
    key        TEXT NOT NULL,
    key_entity INTEGER NOT NULL,
    initiated  INTEGER NOT NULL,
    missing    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO open_write_old SELECT write_id, feature, key, key_entity, initiated, missing FROM open_write ORDER BY initiated;
DROP TABLE open_write;
ALTER TABLE open_write_old RENAME TO open_write;
CREATE INDEX open_write_initiated ON open_write (initiated, write_id);
CREATE INDEX open_write_feature ON open_write (feature, initiated, write_id);
CREATE INDEX open_write_key ON open_write (key_entity);
