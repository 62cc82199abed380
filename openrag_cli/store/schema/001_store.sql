-- The catalog: what is true. Times are integer milliseconds since 1970 UTC; JSON is text.
-- The files of this folder are run in the order of their numbers, each once: a change is a new file, never an edit.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- `id` is what the index holds: a partition made again under an old name never sees the old chunks.
CREATE TABLE partition (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;

-- A file is visible if and only if it has a row here (I1).
CREATE TABLE file (
    partition_id INTEGER NOT NULL REFERENCES partition (id),
    file_id      TEXT NOT NULL,
    revision     TEXT NOT NULL UNIQUE,
    filename     TEXT NOT NULL,
    media_type   TEXT NOT NULL,
    size         INTEGER NOT NULL,
    sha256       TEXT NOT NULL,
    metadata     TEXT NOT NULL,
    chunk_count  INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    PRIMARY KEY (partition_id, file_id)
) STRICT, WITHOUT ROWID;

-- The converted text of each visible revision, compressed with zlib, and its pages.
CREATE TABLE document (
    revision TEXT PRIMARY KEY,
    markdown BLOB NOT NULL,
    pages    TEXT NOT NULL
) STRICT;

CREATE TABLE task (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL UNIQUE,
    kind         TEXT NOT NULL CHECK (kind IN ('add', 'replace')),
    state        TEXT NOT NULL,
    is_live      INTEGER GENERATED ALWAYS AS (state NOT IN ('COMPLETED', 'FAILED', 'CANCELLED')) VIRTUAL,
    partition_id INTEGER NOT NULL,
    partition    TEXT NOT NULL,
    file_id      TEXT NOT NULL,
    filename     TEXT NOT NULL,
    media_type   TEXT NOT NULL,
    size         INTEGER NOT NULL,
    sha256       TEXT NOT NULL,
    metadata     TEXT NOT NULL,
    batch        TEXT NOT NULL,
    attempts     INTEGER NOT NULL DEFAULT 0,
    worker       TEXT,
    lease_until  INTEGER,
    error        TEXT,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;

-- Of N racing adds of one file exactly one is accepted (I7).
CREATE UNIQUE INDEX task_one_live_add ON task (partition_id, file_id)
    WHERE kind = 'add' AND state NOT IN ('COMPLETED', 'FAILED', 'CANCELLED');
CREATE INDEX task_live ON task (seq) WHERE state NOT IN ('COMPLETED', 'FAILED', 'CANCELLED');
CREATE INDEX task_live_file ON task (partition_id, file_id, seq)
    WHERE state NOT IN ('COMPLETED', 'FAILED', 'CANCELLED');
CREATE INDEX task_batch ON task (batch, state);
CREATE INDEX task_state ON task (state, updated_at);

CREATE TABLE task_log (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id TEXT NOT NULL REFERENCES task (id) ON DELETE CASCADE,
    at      INTEGER NOT NULL,
    level   TEXT NOT NULL,
    message TEXT NOT NULL
) STRICT;
CREATE INDEX task_log_task ON task_log (task_id, seq);

-- Revisions whose chunks are to be deleted from the index by whoever next holds the write lock (I3).
CREATE TABLE tombstone (
    revision TEXT PRIMARY KEY,
    at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
