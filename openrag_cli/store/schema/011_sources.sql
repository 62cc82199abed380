-- Where files came from: `root` is a folder of this machine, as the bytes of its path, and stays in this catalog.

CREATE TABLE source (
    id    INTEGER PRIMARY KEY,
    kind  TEXT NOT NULL CHECK (kind IN ('folder', 'file', 'url', 'upload')),
    label TEXT NOT NULL,
    root  BLOB NOT NULL,
    UNIQUE (kind, label, root)
) STRICT;

-- Null: brought by 0.1.0, which did not write it down.
ALTER TABLE file ADD COLUMN source_id INTEGER;
ALTER TABLE task ADD COLUMN source_id INTEGER;

-- What the ids of a synced folder begin with, with a slash at its end; empty for the first one of a partition.
ALTER TABLE folder ADD COLUMN prefix TEXT NOT NULL DEFAULT '';
