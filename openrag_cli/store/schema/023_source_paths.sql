-- What a file is called below the root of its source, written as an id, whatever its id is now. Null: not known, its id tells.

ALTER TABLE file ADD COLUMN source_path TEXT;
ALTER TABLE task ADD COLUMN source_path TEXT;
