-- Beside size and time what tells other bytes of the same size and time (`cp -p`): the inode, and when it was last changed,
-- which nobody can set. Null is unknown: such a file is read once.

ALTER TABLE folder_file ADD COLUMN inode INTEGER;
ALTER TABLE folder_file ADD COLUMN ctime_ns INTEGER;
