-- What `openrag file sync` last saw of each folder, so that it reads only what has changed and deletes only its own.

-- `is_settled` is 0 while a sync changes the partition: the next one then puts the index in order, whatever it finds.
CREATE TABLE folder (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    partition_id INTEGER NOT NULL REFERENCES partition (id) ON DELETE CASCADE,
    path         BLOB NOT NULL, -- absolute, links resolved, the bytes of the file system
    is_settled   INTEGER NOT NULL,
    UNIQUE (partition_id, path)
) STRICT;

-- `revision` is the version of the file that came from this folder, null when none did; `task_id` is the task that was
-- to bring this content and has not (yet) done so, `n_failed` how often such tasks failed in a row, `failed_at` when the
-- last one that was counted did. An empty `sha256` is a file of a kind that no reader knows.
CREATE TABLE folder_file (
    folder_id INTEGER NOT NULL REFERENCES folder (id) ON DELETE CASCADE,
    file_id   TEXT NOT NULL,
    size      INTEGER NOT NULL,
    mtime_ns  INTEGER NOT NULL,
    sha256    TEXT NOT NULL,
    revision  TEXT,
    task_id   TEXT,
    n_failed  INTEGER NOT NULL,
    failed_at INTEGER,
    PRIMARY KEY (folder_id, file_id)
) STRICT, WITHOUT ROWID;
