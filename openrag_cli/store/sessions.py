"""Chat sessions in the catalog: a message is on the disk before the next one is answered."""

from __future__ import annotations

import contextlib
import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from openrag_cli import limits
from openrag_cli.access.principal import ADMIN
from openrag_cli.domain import Metadata, Session, Turn
from openrag_cli.errors import Conflict, InvalidInput, SessionNotFound
from openrag_cli.store.database import at, now_ms
from openrag_cli.terminal import is_safe_name

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from openrag_cli.errors import StoreBusy
    from openrag_cli.store.database import Database

_SESSION = """
SELECT session.*, (SELECT count(*) FROM message WHERE session_id = session.id) AS messages FROM session
"""


def check_session_name(name: str) -> str:
    """Return `name` if it may name a session. Raises: InvalidInput."""
    if not name.strip() or name != name.strip() or len(name) > limits.most("session_chars") or not is_safe_name(name):
        raise InvalidInput(
            f"the session name {name[:80]!r} is empty, too long or has spaces or controls at its ends",
            hint="choose a name such as 'keys'",
        )
    return name


class Sessions:
    """The sessions of one principal in one store; names are its own. Every method is one transaction or one read."""

    def __init__(self, database: Database, owner: str = ADMIN.name) -> None:
        self._db = database
        self._owner = owner

    @contextlib.contextmanager
    def held(self, name: str, busy: StoreBusy) -> Iterator[None]:
        """Hold a session for one conversation; the kernel lets go when the process dies. Raises: `busy`."""
        key = hashlib.sha256(f"{self._owner}\0{name}".encode()).hexdigest()[:32]
        with self._db.file_lock(f"locks/session-{key}", 0.0, busy):
            yield

    def all(self) -> list[Session]:
        """Return every session, the one used last first."""
        return [
            _session(row)
            for row in self._db.rows(f"{_SESSION} WHERE owner = ? ORDER BY updated_at DESC, id DESC", (self._owner,))
        ]

    def get(self, name: str) -> Session:
        """Return one session. Raises: SessionNotFound."""
        rows = self._db.rows(f"{_SESSION} WHERE owner = ? AND name = ?", (self._owner, name))
        if not rows:
            raise SessionNotFound(name)
        return _session(rows[0])

    def last(self) -> Session:
        """Return the session used last. Raises: SessionNotFound, when there is none."""
        found = self.all()
        if not found:
            raise SessionNotFound(None)
        return found[0]

    def open(self, name: str | None, partitions: Sequence[str], scope: Metadata | None = None) -> Session:
        """Return the session of that name, made now if there is none; a name is made up when none is given.

        `partitions` are set where some are given, `scope` where one is.

        Raises:
            InvalidInput: the name.
        """
        name = check_session_name(name) if name else _fresh_name(session.name for session in self.all())
        now = now_ms()
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO session (owner, name, partitions, created_at, updated_at) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (owner, name) DO NOTHING",
                (self._owner, name, json.dumps(list(partitions)), now, now),
            )
            if partitions:
                connection.execute(
                    "UPDATE session SET partitions = ? WHERE owner = ? AND name = ?",
                    (json.dumps(list(partitions)), self._owner, name),
                )
            if scope is not None:
                connection.execute(
                    "UPDATE session SET scope = ? WHERE owner = ? AND name = ?",
                    (json.dumps(scope), self._owner, name),
                )
        return self.get(name)

    def turns(self, name: str) -> list[Turn]:
        """Return the messages of a session in order. Raises: SessionNotFound."""
        self.get(name)
        rows = self._db.rows(
            "SELECT message.* FROM message JOIN session ON session.id = session_id WHERE owner = ? AND name = ? "
            "ORDER BY seq",
            (self._owner, name),
        )
        return [Turn(row["role"], row["content"], at(row["at"]), tuple(json.loads(row["citations"]))) for row in rows]

    def append_answered(
        self,
        name: str,
        question: str,
        answer: str,
        citations: Sequence[dict[str, Any]] = (),
        *,
        replaces_last: bool = False,
    ) -> None:
        """Add a question with its answer, both or neither; `replaces_last`: in place of the last question and its answer.

        Raises:
            SessionNotFound.
        """
        with self._db.transaction() as connection:
            session = _touched(connection, self._owner, name)
            if replaces_last:
                connection.execute(
                    "DELETE FROM message WHERE session_id = :id AND seq >= "
                    "(SELECT max(seq) FROM message WHERE session_id = :id AND role = 'user')",
                    {"id": session},
                )
            _append(connection, session, "user", question)
            _append(connection, session, "assistant", answer, citations)

    def rename(self, name: str, new_name: str) -> None:
        """Give a session another name. Raises: SessionNotFound, InvalidInput; Conflict: the new name is taken."""
        check_session_name(new_name)
        with self._db.transaction() as connection:
            if connection.execute(
                "SELECT 1 FROM session WHERE owner = ? AND name = ?", (self._owner, new_name)
            ).fetchone():
                raise Conflict(f"Session '{new_name}' already exists", hint="choose another name")
            if (
                connection.execute(
                    "UPDATE session SET name = ? WHERE owner = ? AND name = ?", (new_name, self._owner, name)
                ).rowcount
                == 0
            ):
                raise SessionNotFound(name)

    def delete(self, name: str) -> None:
        """Delete a session with its messages. Raises: SessionNotFound."""
        with self._db.transaction() as connection:
            if (
                connection.execute("DELETE FROM session WHERE owner = ? AND name = ?", (self._owner, name)).rowcount
                == 0
            ):
                raise SessionNotFound(name)


def _touched(connection: sqlite3.Connection, owner: str, name: str) -> int:
    """Note that a session is used now, and return its number. Raises: SessionNotFound."""
    row = connection.execute(
        "UPDATE session SET updated_at = ? WHERE owner = ? AND name = ? RETURNING id", (now_ms(), owner, name)
    ).fetchone()
    if row is None:
        raise SessionNotFound(name)
    return int(row["id"])


def _append(
    connection: sqlite3.Connection, session: int, role: str, content: str, citations: Sequence[dict[str, Any]] = ()
) -> None:
    connection.execute(
        "INSERT INTO message (session_id, role, content, citations, at) VALUES (?, ?, ?, ?, ?)",
        (session, role, content, json.dumps(list(citations)), now_ms()),
    )


def _session(row: sqlite3.Row) -> Session:
    return Session(
        name=row["name"],
        partitions=tuple(json.loads(row["partitions"])),
        message_count=row["messages"],
        created_at=at(row["created_at"]),
        updated_at=at(row["updated_at"]),
        scope=json.loads(row["scope"]),
    )


def _fresh_name(taken: Iterable[str]) -> str:
    stamp = datetime.now(UTC).strftime("%Y-%m-%d-%H%M%S")
    known = set(taken)
    return next(name for name in (stamp, *(f"{stamp}-{n}" for n in range(2, 10_000))) if name not in known)
