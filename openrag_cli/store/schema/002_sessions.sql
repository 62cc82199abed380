-- Conversations of `openrag chat`, so that one can be taken up again.

CREATE TABLE session (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL UNIQUE,
    partitions TEXT NOT NULL, -- a JSON list of names
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- `citations` is a JSON list of what the marks [n] in `content` point at.
CREATE TABLE message (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    role       TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
    content    TEXT NOT NULL,
    citations  TEXT NOT NULL,
    at         INTEGER NOT NULL
) STRICT;
CREATE INDEX message_session ON message (session_id, seq);
