-- In how many chunks a word stands: what it is worth in a search. `version` is that of the words, as in the index.

CREATE TABLE word (
    version  INTEGER NOT NULL,
    word     TEXT NOT NULL,
    n_chunks INTEGER NOT NULL,
    PRIMARY KEY (version, word)
) STRICT, WITHOUT ROWID;

-- The revisions whose words are in the counts, so that each is counted once and forgotten once.
CREATE TABLE counted (
    version  INTEGER NOT NULL,
    revision TEXT NOT NULL,
    PRIMARY KEY (version, revision)
) STRICT, WITHOUT ROWID;

CREATE TABLE word_total (
    version  INTEGER PRIMARY KEY,
    n_chunks INTEGER NOT NULL,
    n_words  INTEGER NOT NULL
) STRICT;
