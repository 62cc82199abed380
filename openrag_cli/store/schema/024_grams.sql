-- Which runs of three characters the text of each revision holds, in a few bytes (see searching/grams.py): what `grep`
-- need not read. A text of an older store has none until maintenance makes it, and is read.

CREATE TABLE gram (
    revision  TEXT PRIMARY KEY REFERENCES document (revision) ON DELETE CASCADE,
    signature BLOB NOT NULL
) STRICT;
