"""A partition."""

from __future__ import annotations

from datetime import UTC, datetime

from openrag_cli.contract.nouns.shape import COUNT, TEXT, TIME, Field, Json, Shape
from openrag_cli.domain import Partition
from openrag_cli.store.metadata import rfc3339

SHAPE: Shape[Partition] = Shape(
    Field("partition", TEXT, lambda value: value.name),
    Field("files", COUNT, lambda value: value.file_count),
    Field("chunks", COUNT, lambda value: value.chunk_count),
    Field("created_at", TIME, lambda value: rfc3339(value.created_at)),
)
HTTP = SHAPE.also(Field("created_at", COUNT, lambda value: int(value.created_at.timestamp())))
"""Over HTTP the time is in seconds since 1970, as OpenRAG's clients read it."""


def read(entry: Json) -> Partition:
    """Return a partition from what HTTP has of it."""
    created_at = datetime.fromtimestamp(entry["created_at"], tz=UTC)
    return Partition(entry["partition"], created_at, entry["files"], entry["chunks"])
