-- What a conversation searches besides its partitions, as JSON: filter, files, mode and the like, as its user chose them.
ALTER TABLE session ADD COLUMN scope TEXT NOT NULL DEFAULT '{}'
