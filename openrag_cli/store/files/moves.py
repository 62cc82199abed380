"""Renaming files: which of the moves that are wanted can be made now."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from openrag_cli.store.database import now_ms


@dataclass(frozen=True, slots=True)
class Move:
    """A file to be renamed; `replaced` is the revision that its new id has now, if any."""

    source: str
    target: str
    revision: str
    replaced: str | None


def possible_moves(connection: sqlite3.Connection, partition_id: int, moves: Sequence[Move]) -> list[Move]:
    """Within a transaction, return the moves that can be made: all of them, but for those that meet a change, a task, or
    a file that stays because its own move cannot be made."""
    moving = {move.revision for move in moves}
    onto = {move.target: move for move in moves}
    refused = [move for move in moves if not _is_possible(connection, partition_id, move, moving)]
    left_out = {move.revision for move in refused}
    while refused:
        waiting = onto.get(refused.pop().source)  # what was to take the place of a file that stays
        if waiting is not None and waiting.revision not in left_out:
            left_out.add(waiting.revision)
            refused.append(waiting)
    return [move for move in moves if move.revision not in left_out]


def _is_possible(connection: sqlite3.Connection, partition_id: int, move: Move, moving: set[str]) -> bool:
    rows = connection.execute(
        "SELECT file_id, revision FROM file WHERE partition_id = ? AND file_id IN (?, ?)",
        (partition_id, move.source, move.target),
    )
    held = {row["file_id"]: row["revision"] for row in rows}
    occupant = held.get(move.target)
    if held.get(move.source) != move.revision or not (occupant in {None, move.replaced} or occupant in moving):
        return False
    return not any(is_worked_on(connection, partition_id, file_id) for file_id in (move.source, move.target))


def is_worked_on(connection: sqlite3.Connection, partition_id: int, file_id: str) -> bool:
    """Within a transaction, tell whether a file has an unfinished task."""
    return bool(
        connection.execute(
            "SELECT 1 FROM task WHERE partition_id = ? AND file_id = ? "
            "AND state NOT IN ('COMPLETED', 'FAILED', 'CANCELLED') LIMIT 1",
            (partition_id, file_id),
        ).fetchone()
    )


def rename(connection: sqlite3.Connection, move: Move) -> None:
    """Within a transaction, give a file its new id; what it is called at its source stays, until a sync finds it moved."""
    connection.execute(
        "UPDATE file SET source_path = coalesce(source_path, ?), file_id = ?, filename = ?, updated_at = ? "
        "WHERE revision = ?",
        (move.source, move.target, move.target.rpartition("/")[2], now_ms(), move.revision),
    )
