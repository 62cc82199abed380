-- The disk that a synced folder was on: one that is not mounted looks like an empty folder of another disk.

ALTER TABLE folder ADD COLUMN device INTEGER;
