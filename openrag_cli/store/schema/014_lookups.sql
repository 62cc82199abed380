-- A file is looked up by its id in all partitions at once.

CREATE INDEX file_by_id ON file (file_id);
