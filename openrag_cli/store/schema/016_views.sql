-- Named views: partitions and a condition on metadata, searched under one name. No partition has the name of a view.

CREATE TABLE view (
    name       TEXT PRIMARY KEY,
    partitions TEXT NOT NULL, -- a JSON list of names
    filter     TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
