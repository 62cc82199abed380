"""Lists over HTTP: a page where `limit` is given, with its `total` and `next`; without it everything, as it is read."""

import json
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from openrag_cli.store.files.results import Results
from openrag_cli.terminal import for_json

Entry = TypeVar("Entry")
READ_AT_ONCE = 500

LimitQuery = Annotated[
    int | None, Query(ge=1, le=100_000, description="Entries of a page; without it all are sent, as they are read")
]
OffsetQuery = Annotated[int, Query(ge=0, le=1 << 40, description="Entries to skip")]
AfterQuery = Annotated[
    str, Query(max_length=4000, description="`next` of the page before, as it was; `offset` then says nothing")
]


class Look(Protocol[Entry]):
    """Reads a page of a list."""

    def __call__(self, *, limit: int, offset: int, after: str) -> Results[Entry]:
        """Return up to `limit` entries after the page that named `after`, or from number `offset` on."""


def everything(
    name: str,
    look: Look[Entry],
    show: Callable[[Entry], BaseModel],
    *,
    offset: int,
    after: str,
    tail: Callable[[Results[Entry]], dict[str, Any]] = lambda _: {},
) -> StreamingResponse:
    """Return all entries of a list under its name, written as they are read; `tail` is what else is said of them.

    The first of them are read before, so that what is wrong with the request is told as anywhere.
    """
    first = look(limit=READ_AT_ONCE, offset=offset, after=after)

    def pieces() -> Iterator[str]:
        """Yield the parts of the answer."""
        page = first
        yield f"{{{json.dumps(name)}:["
        separator = ""
        while True:
            for entry in page:
                yield separator + for_json(show(entry).model_dump_json())
                separator = ","
            if page.next is None:
                break
            page = look(limit=READ_AT_ONCE, offset=0, after=page.next)
        yield f"],{for_json(json.dumps({'total': first.total, 'next': None, **tail(first)}, ensure_ascii=False))[1:]}"

    return StreamingResponse(pieces(), media_type="application/json")
