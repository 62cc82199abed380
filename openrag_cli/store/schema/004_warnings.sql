-- What the reader of a document could not read, left out or cut: a JSON list of {code, message, place}.

ALTER TABLE file ADD COLUMN warnings TEXT NOT NULL DEFAULT '[]';
ALTER TABLE task ADD COLUMN warnings TEXT NOT NULL DEFAULT '[]';
