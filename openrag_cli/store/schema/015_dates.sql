-- When a file was changed, in ms since 1970: as its folder said, or when it was sent; null for a task that was not told.
ALTER TABLE file ADD COLUMN changed_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE task ADD COLUMN changed_at INTEGER;

-- The date of a file (see files/dates.py), as filters and people see it: what is said of it, or else `changed_at`.
ALTER TABLE file ADD COLUMN modified_at TEXT NOT NULL DEFAULT '';

DROP VIEW file_value;
DROP VIEW resolved;
DROP VIEW said;

CREATE VIEW said (partition_id, file, key, type, value) AS
SELECT f.partition_id, f.number, u.key, u.type, u.value FROM file f, json_each(f.metadata) u
WHERE u.key NOT IN
    ('file_id', 'partition', 'revision', 'chunk_id', '_id', 'link', 'score', 'indexed_at', 'stored_as', 'modified_at')
    AND (u.key <> 'filename' OR u.type = 'text')
UNION ALL
SELECT f.partition_id, f.number, d.key, d.type, d.value FROM file f, json_each(f.document_metadata) d
WHERE d.key NOT IN
    ('file_id', 'partition', 'revision', 'chunk_id', '_id', 'link', 'score', 'indexed_at', 'stored_as', 'modified_at')
    AND (d.key <> 'filename' OR d.type = 'text')
    AND NOT EXISTS (SELECT 1 FROM json_each(f.metadata) u
                    WHERE u.key = d.key AND (u.key <> 'filename' OR u.type = 'text'));

CREATE VIEW resolved (partition_id, file, key, type, value) AS
SELECT * FROM said
UNION ALL
SELECT f.partition_id, f.number, 'modified_at', 'text', f.modified_at FROM file f
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

UPDATE file SET changed_at = coalesce(
    (SELECT mtime_ns / 1000000 FROM folder_file WHERE folder_file.revision = file.revision), updated_at);
UPDATE file SET modified_at = dated(metadata, document_metadata, changed_at)
