-- What a claim looks at: the tasks that are due, never the whole queue.

CREATE INDEX task_fresh ON task (seq) WHERE state = 'QUEUED' AND not_before = 0;
CREATE INDEX task_held ON task (lease_until, worker) WHERE lease_until IS NOT NULL;
CREATE INDEX task_tried ON task (attempts, seq)
    WHERE attempts > 1 AND state NOT IN ('COMPLETED', 'FAILED', 'CANCELLED');
CREATE INDEX task_live_batch ON task (batch, seq) WHERE state NOT IN ('COMPLETED', 'FAILED', 'CANCELLED');

-- The rows of a file that filters look in: only those are written that an update of the file changes.
DROP TRIGGER file_is_changed_before;
DROP TRIGGER file_is_changed_after;
CREATE TRIGGER file_is_changed AFTER UPDATE OF partition_id, file_id, revision, filename, media_type, size, sha256, metadata,
    document_metadata, chunk_count, created_at, updated_at, number ON file BEGIN
    DELETE FROM metadata_value WHERE file = NEW.number AND (partition_id, key, kind, value, typeof(value)) NOT IN
        (SELECT partition_id, key, kind, value, typeof(value) FROM file_value WHERE file = NEW.number); INSERT INTO
    metadata_value SELECT DISTINCT partition_id, key, kind, value, file FROM file_value WHERE file = NEW.number AND
        (partition_id, key, kind, value) NOT IN (SELECT partition_id, key, kind, value FROM metadata_value WHERE file = NEW.number)
; END;
