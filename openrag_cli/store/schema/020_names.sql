-- Names of partitions and views are kept in one form (NFC), so that one that looks the same is found however it is typed.
-- Where two partitions looked the same, the second keeps its files under a name with its number.

UPDATE partition SET name = canonical(name) || '-' || id
WHERE name <> canonical(name) AND canonical(name) IN (SELECT name FROM partition);
UPDATE OR IGNORE partition SET name = canonical(name) WHERE name <> canonical(name);
UPDATE task SET partition = (SELECT name FROM partition WHERE id = partition_id)
WHERE partition <> canonical(partition) AND EXISTS (SELECT 1 FROM partition WHERE id = partition_id);
UPDATE OR IGNORE view SET name = canonical(name) WHERE name <> canonical(name);
UPDATE import SET name = canonical(name) WHERE name <> canonical(name);
