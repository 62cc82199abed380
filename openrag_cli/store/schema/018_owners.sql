-- A session belongs to the principal that made it, and its name is one of that principal's; those there are, the admin's.

CREATE TABLE owned_session (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    owner      TEXT NOT NULL,
    name       TEXT NOT NULL,
    partitions TEXT NOT NULL, -- a JSON list of names
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    scope      TEXT NOT NULL DEFAULT '{}',
    UNIQUE (owner, name)
) STRICT;
INSERT INTO owned_session SELECT id, 'admin', name, partitions, created_at, updated_at, scope FROM session;

CREATE TABLE owned_message (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id INTEGER NOT NULL REFERENCES owned_session (id) ON DELETE CASCADE,
    role       TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
    content    TEXT NOT NULL,
    citations  TEXT NOT NULL,
    at         INTEGER NOT NULL
) STRICT;
INSERT INTO owned_message SELECT seq, session_id, role, content, citations, at FROM message;

DROP TABLE message;
DROP TABLE session;
ALTER TABLE owned_session RENAME TO session;
ALTER TABLE owned_message RENAME TO message;
CREATE INDEX message_session ON message (session_id, seq);
