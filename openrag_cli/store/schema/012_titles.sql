-- The title of each file, as it is searched: by words, and by a vector where the file has several chunks. `version` is
-- that of its words. `untitled` names the files whose title is to be made, or looked at again after an edit or a rename.

CREATE TABLE title (
    revision TEXT PRIMARY KEY,
    version  INTEGER NOT NULL,
    text     TEXT NOT NULL,
    words    TEXT NOT NULL,
    vector   BLOB -- float32, little-endian
) STRICT, WITHOUT ROWID;

CREATE TABLE title_word (
    word     TEXT NOT NULL,
    revision TEXT NOT NULL,
    PRIMARY KEY (word, revision)
) STRICT, WITHOUT ROWID;
CREATE INDEX title_word_revision ON title_word (revision);

CREATE TABLE untitled (
    revision TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
INSERT INTO untitled SELECT revision FROM file;

CREATE TRIGGER file_made AFTER INSERT ON file
BEGIN INSERT OR IGNORE INTO untitled VALUES (new.revision); END;

CREATE TRIGGER file_said AFTER UPDATE OF revision, filename, metadata, document_metadata ON file
BEGIN INSERT OR IGNORE INTO untitled VALUES (new.revision); END;

CREATE TRIGGER file_replaced AFTER UPDATE OF revision ON file WHEN old.revision <> new.revision
BEGIN DELETE FROM title WHERE revision = old.revision; DELETE FROM title_word WHERE revision = old.revision; DELETE FROM untitled WHERE revision = old.revision; END;

CREATE TRIGGER file_gone AFTER DELETE ON file
BEGIN DELETE FROM title WHERE revision = old.revision; DELETE FROM title_word WHERE revision = old.revision; DELETE FROM untitled WHERE revision = old.revision; END;
