-- What made a file's text, chunks and vectors: JSON [reader, chunker, model], empty when nobody wrote it down (0.1.0).
-- `refresh_tried` is the same of the last attempt to read the file again, which is not made twice unasked.

ALTER TABLE file ADD COLUMN made_by TEXT NOT NULL DEFAULT '';
ALTER TABLE file ADD COLUMN refresh_tried TEXT NOT NULL DEFAULT '';
CREATE INDEX file_made_by ON file (media_type, made_by, refresh_tried);
