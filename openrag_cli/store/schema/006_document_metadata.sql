-- What a document says of itself (front matter, mail, PDF), as a JSON object: below what the user says in `metadata`.

ALTER TABLE file ADD COLUMN document_metadata TEXT NOT NULL DEFAULT '{}';

-- What 0.1.0 took and is refused now: keys that are ours get a prefix, what lies too deep becomes text (see metadata.py).
UPDATE file SET metadata = tamed_metadata(metadata) WHERE tamed_metadata(metadata) <> metadata;
UPDATE task SET metadata = tamed_metadata(metadata) WHERE tamed_metadata(metadata) <> metadata;
