"""The events of an answer as JSON, and back: what `/answers` streams, one object an event.

The first is `retrieved`, then come `delta`, the last is `finished`; `error` ends an answer that broke off without one.
"""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from openrag_cli.answering.citations import Mark
from openrag_cli.answering.events import Event, Finished, Retrieved, TextDelta, Usage
from openrag_cli.contract import to_json as render
from openrag_cli.contract.error_codes import remade
from openrag_cli.contract.nouns.file import LONG_AGO
from openrag_cli.domain import File, Page, Passage
from openrag_cli.errors import OpenRAGError

Json = dict[str, Any]


def as_json(value: Event) -> Json:
    """Return an event."""
    if isinstance(value, Retrieved):
        passages = [render.passage(one) for one in value.passages]
        return {"type": "retrieved", "query": value.query, "passages": passages, "seconds": value.seconds}
    if isinstance(value, TextDelta):
        return {"type": "delta", **asdict(value)}
    body = {
        name: getattr(value, name)
        for name in ("text", "finish_reason", "model", "first_s", "seconds", "thought", "refusal")
    }
    return body | {
        "type": "finished",
        "marks": [asdict(mark) for mark in value.marks],
        "citations": [render.passage(one) for one in value.citations],
        "attached": [render.passage(one) for one in value.attached],
        "unknown": list(value.unknown),
        "usage": asdict(value.usage),
        "warnings": list(value.warnings),
        "error": error_as_json(value.error)["error"] if value.error else None,
    }


def error_as_json(error: OpenRAGError) -> Json:
    """Return the event of an error that ends an answer."""
    return {"type": "error", "error": {"code": error.code, "message": error.message, "hint": error.hint}}


def from_json(entry: Json) -> Event:
    """Return an event. Raises: the error that the entry carries, when it is one."""
    kind = entry["type"]
    if kind == "retrieved":
        return Retrieved(entry["query"], tuple(map(to_passage, entry["passages"])), entry["seconds"])
    if kind == "delta":
        calls = tuple(dict(call) for call in entry["tool_calls"])
        return TextDelta(entry["text"], calls, entry["thought"], entry["refusal"])
    if kind == "error":
        raise to_error(entry["error"])
    return Finished(
        **{
            name: entry[name]
            for name in ("text", "finish_reason", "model", "first_s", "seconds", "thought", "refusal")
        },
        marks=tuple(Mark(**mark) for mark in entry["marks"]),
        citations=tuple(map(to_passage, entry["citations"])),
        attached=tuple(map(to_passage, entry["attached"])),
        unknown=tuple(entry["unknown"]),
        usage=Usage(**entry["usage"]),
        warnings=tuple(entry["warnings"]),
        error=to_error(entry["error"]) if entry["error"] else None,
    )


def to_error(entry: Json) -> OpenRAGError:
    """Return the error of an event."""
    return remade(entry["code"], entry["message"], hint=entry["hint"])


def to_passage(entry: Json) -> Passage:
    """Return a passage; of its file it knows partition, id and name alone."""
    places = {name: entry[name] for name in ("chunk_id", "score", "start", "end", "page", "line_start", "line_end")}
    day = entry.get("modified_at")  # servers before 0.3 tell none
    file = File(
        entry["partition"], entry["file_id"], "", entry["filename"], "", 0, "", {}, 0, LONG_AGO, LONG_AGO,
        modified_at=datetime.fromisoformat(day) if day else None,
    )  # fmt: skip
    heading, head = tuple(entry["heading"]), tuple(entry["head"])
    first, last = entry["page"], entry.get("page_end")  # servers before 0.3 tell none
    ends = [Page(number, entry["start"], entry["end"]) for number in (first, last) if number]
    pages = tuple(ends) if first != last and len(ends) > 1 else ()
    return Passage(
        number=entry["n"],
        file=file,
        heading=heading,
        head=head,
        text=entry["text"],
        pages=pages,
        scores=dict(entry.get("scores", {})),
        **places,
    )
