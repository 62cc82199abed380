-- What a task must remember so that nothing is lost or turned back, and imports that are not whole yet.

-- `obsolete` says why a stopped task may not be queued again (a newer version is there, or its file was deleted).
-- `keeps_metadata`: the new version has what the file has when it is published, and `metadata` on top.
-- `not_before` and `n_paused`: what is wrong with the machine is not charged to a task; it waits, longer each time.
ALTER TABLE task ADD COLUMN obsolete TEXT;
ALTER TABLE task ADD COLUMN keeps_metadata INTEGER NOT NULL DEFAULT 0;
ALTER TABLE task ADD COLUMN not_before INTEGER NOT NULL DEFAULT 0;
ALTER TABLE task ADD COLUMN n_paused INTEGER NOT NULL DEFAULT 0;

CREATE INDEX task_stopped_file ON task (partition_id, file_id, seq) WHERE state IN ('FAILED', 'CANCELLED');

UPDATE task SET obsolete = 'a newer version of its file has been stored since'
WHERE state IN ('FAILED', 'CANCELLED') AND (
    EXISTS (SELECT 1 FROM task n WHERE n.partition_id = task.partition_id AND n.file_id = task.file_id
            AND n.seq > task.seq AND n.state = 'COMPLETED')
    OR EXISTS (SELECT 1 FROM file f WHERE f.partition_id = task.partition_id AND f.file_id = task.file_id
               AND f.revision > task.id));

UPDATE task SET obsolete = 'its file was deleted since'
WHERE state IN ('FAILED', 'CANCELLED') AND obsolete IS NULL AND (
    json_extract(error, '$.message') LIKE 'cancelled: its % was deleted'
    OR NOT EXISTS (SELECT 1 FROM partition p WHERE p.id = task.partition_id)
    OR (NOT EXISTS (SELECT 1 FROM file f WHERE f.partition_id = task.partition_id AND f.file_id = task.file_id)
        AND EXISTS (SELECT 1 FROM task o WHERE o.partition_id = task.partition_id AND o.file_id = task.file_id
                    AND o.seq < task.seq AND o.state = 'COMPLETED')));

-- A partition that is being imported has a number and a name of its own, and files here, not in `file`: it is visible
-- when all of it is (I1). `source` is the sha256 of the head of its export: the same export goes on where it stopped.
CREATE TABLE import (
    partition_id INTEGER PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    source       TEXT NOT NULL,
    started_at   INTEGER NOT NULL
) STRICT;

-- `entry` is what the file's row is made of, as JSON; its document is in `document`, its original and chunks in place.
CREATE TABLE import_file (
    partition_id INTEGER NOT NULL REFERENCES import (partition_id) ON DELETE CASCADE,
    file_id      TEXT NOT NULL,
    revision     TEXT NOT NULL UNIQUE,
    chunk_count  INTEGER NOT NULL,
    entry        TEXT NOT NULL,
    PRIMARY KEY (partition_id, file_id)
) STRICT, WITHOUT ROWID;
