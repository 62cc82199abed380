-- What filters look in: the one view of each file's metadata (see metadata.py) as rows, kept by triggers at every write.
-- A file is known here by a number, which it keeps for as long as it exists.

ALTER TABLE file ADD COLUMN number INTEGER;
UPDATE file SET number = numbered.number
    FROM (SELECT revision, row_number() OVER (ORDER BY revision) AS number FROM file) AS numbered
    WHERE numbered.revision = file.revision;
CREATE INDEX file_number ON file (number, revision);

-- `kind` is 1 number, 2 text, 3 boolean, 4 null, 5 list, 6 object, and 10 more for what stands in a list; a boolean is 0
-- or 1 in `value`, and null, a list and an object are 0.
CREATE TABLE metadata_value (
    partition_id INTEGER NOT NULL,
    key          TEXT NOT NULL,
    kind         INTEGER NOT NULL,
    value        ANY NOT NULL,
    file         INTEGER NOT NULL,
    PRIMARY KEY (partition_id, key, kind, value, file)
) STRICT, WITHOUT ROWID;

-- What is said of a file: the user's word above the document's own.
CREATE VIEW said (partition_id, file, key, type, value) AS
SELECT f.partition_id, f.number, u.key, u.type, u.value FROM file f, json_each(f.metadata) u
WHERE u.key NOT IN
    ('file_id', 'partition', 'revision', 'chunk_id', '_id', 'link', 'score', 'indexed_at', 'stored_as')
    AND (u.key <> 'filename' OR u.type = 'text')
UNION ALL
SELECT f.partition_id, f.number, d.key, d.type, d.value FROM file f, json_each(f.document_metadata) d
WHERE d.key NOT IN
    ('file_id', 'partition', 'revision', 'chunk_id', '_id', 'link', 'score', 'indexed_at', 'stored_as')
    AND (d.key <> 'filename' OR d.type = 'text')
    AND NOT EXISTS (SELECT 1 FROM json_each(f.metadata) u
                    WHERE u.key = d.key AND (u.key <> 'filename' OR u.type = 'text'));

-- What we know of a file, where nothing else is said.
CREATE VIEW resolved (partition_id, file, key, type, value) AS
SELECT * FROM said
UNION ALL
SELECT f.partition_id, f.number, k.key, k.type, k.value
FROM file f JOIN partition p ON p.id = f.partition_id, json_each(json_object(
    'partition', p.name, 'file_id', f.file_id, 'filename', f.filename, 'stored_as', f.filename,
    'media_type', f.media_type, 'size', f.size, 'sha256', f.sha256, 'revision', f.revision,
    'chunk_count', f.chunk_count,
    'created_at', strftime('%Y-%m-%dT%H:%M:%S', f.created_at / 1000, 'unixepoch') || printf('.%03dZ', f.created_at % 1000),
    'indexed_at', strftime('%Y-%m-%dT%H:%M:%S', f.created_at / 1000, 'unixepoch') || printf('.%03dZ', f.created_at % 1000),
    'updated_at', strftime('%Y-%m-%dT%H:%M:%S', f.updated_at / 1000, 'unixepoch') || printf('.%03dZ', f.updated_at % 1000)
)) k
WHERE NOT EXISTS (SELECT 1 FROM json_each(f.metadata) u
                  WHERE u.key = k.key AND k.key NOT IN ('partition', 'file_id', 'revision', 'indexed_at', 'stored_as')
                  AND (u.key <> 'filename' OR u.type = 'text'))
    AND NOT EXISTS (SELECT 1 FROM json_each(f.document_metadata) d
                    WHERE d.key = k.key AND k.key NOT IN ('partition', 'file_id', 'revision', 'indexed_at', 'stored_as')
                    AND (d.key <> 'filename' OR d.type = 'text'));

CREATE VIEW file_value (partition_id, key, kind, value, file) AS
SELECT partition_id, key,
    CASE type WHEN 'integer' THEN 1 WHEN 'real' THEN 1 WHEN 'text' THEN 2 WHEN 'true' THEN 3 WHEN 'false' THEN 3
              WHEN 'null' THEN 4 WHEN 'array' THEN 5 ELSE 6 END,
    CASE WHEN type IN ('integer', 'real', 'text') THEN value WHEN type = 'true' THEN 1 ELSE 0 END,
    file
FROM resolved
UNION ALL
SELECT said.partition_id, said.key,
    CASE e.type WHEN 'integer' THEN 11 WHEN 'real' THEN 11 WHEN 'text' THEN 12 WHEN 'true' THEN 13 WHEN 'false' THEN 13
                ELSE 14 END,
    CASE WHEN e.type IN ('integer', 'real', 'text') THEN e.value WHEN e.type = 'true' THEN 1 ELSE 0 END,
    said.file
FROM said, json_each(said.value) e
WHERE said.type = 'array' AND e.type NOT IN ('array', 'object');

CREATE INDEX metadata_value_file ON metadata_value (file);
INSERT INTO metadata_value SELECT DISTINCT * FROM file_value ORDER BY partition_id, key, kind, value, file;

CREATE TRIGGER file_is_added AFTER INSERT ON file BEGIN
    UPDATE file SET number = (SELECT coalesce(max(number), 0) + 1 FROM file)
    WHERE partition_id = NEW.partition_id AND file_id = NEW.file_id
; END;

CREATE TRIGGER file_is_changed_before BEFORE UPDATE ON file BEGIN
    DELETE FROM metadata_value WHERE file = OLD.number
; END;

CREATE TRIGGER file_is_changed_after AFTER UPDATE ON file BEGIN
    INSERT INTO metadata_value
    SELECT DISTINCT partition_id, key, kind, value, file FROM file_value WHERE file = NEW.number
; END;

CREATE TRIGGER file_is_deleted BEFORE DELETE ON file
WHEN EXISTS (SELECT 1 FROM metadata_value WHERE partition_id = OLD.partition_id) BEGIN
    DELETE FROM metadata_value WHERE file = OLD.number
; END;
