"""A chunk, and a hit: a chunk that was found."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from openrag_cli.contract.nouns import file as files
from openrag_cli.contract.nouns.shape import (
    ANY_OBJECT,
    COUNT,
    FLAG,
    NUMBER,
    TEXT,
    Field,
    Json,
    Schema,
    Shape,
    also,
    list_of,
    maybe,
    sometimes,
)
from openrag_cli.domain import Chunk, File, Hit, Span
from openrag_cli.store.metadata import said

PLACE: Shape[Span] = Shape(
    Field("page", maybe(COUNT), lambda value: value.page),
    Field("line_start", COUNT, lambda value: value.line_start),
    Field("line_end", COUNT, lambda value: value.line_end),
    Field("start", COUNT, lambda value: value.start),
    Field("end", COUNT, lambda value: value.end),
    Field("heading", list_of(TEXT), lambda value: list(value.heading)),
    Field("head", list_of(TEXT), lambda value: list(value.head)),
    Field("text", TEXT, lambda value: value.text),
)
"""Where a stretch of a document is, and what it says."""
GROWN = PLACE.only("text", "start", "end", "line_start", "line_end", "page", "head")
"""What a hit grew to."""
SCORES: Schema = {"type": "object", "additionalProperties": NUMBER}


class Owned(NamedTuple):
    """A chunk with its file as it is shown."""

    chunk: Chunk
    owner: files.Shown


def owned(chunk: Chunk, file: File) -> Owned:
    """Return a chunk of a file."""
    return Owned(chunk, files.shown(file))


def _of_span(field: Field[Span]) -> Field[Owned]:
    return Field(field.name, field.schema, lambda value: field.get(value.chunk.span))


def _of_file(field: Field[files.Shown]) -> Field[Owned]:
    return Field(field.name, field.schema, lambda value: field.get(value.owner))


SHAPE: Shape[Owned] = Shape(
    *map(_of_file, files.SHAPE.only("partition", "file_id").fields),
    Field("chunk_id", TEXT, lambda value: value.chunk.id),
    Field("ordinal", COUNT, lambda value: value.chunk.ordinal),
    *map(_of_span, PLACE.fields),
    *map(_of_file, files.VIEWED.only("filename").fields),
    Field("metadata", ANY_OBJECT, lambda value: said(value.owner.file)),
    *map(_of_file, files.VIEWED.only("created_at", "updated_at", "modified_at", "indexed_at", "stored_as").fields),
)
_KNOWN = SHAPE.only(
    "partition", "file_id", "ordinal", *(field.name for field in PLACE.fields if field.name != "text")
).also(Field("_id", TEXT, lambda value: value.chunk.id))
"""What HTTP tells of a chunk itself."""
_SCORED: Shape[Hit] = Shape(
    Field("score", NUMBER, lambda value: value.score),
    Field("scores", SCORES, lambda value: value.scores),
    Field("others", list_of(TEXT), lambda value: list(value.others)),
)
HIT = sometimes(
    also(
        SHAPE.schema, rank=COUNT, **_SCORED.schema["properties"], path=maybe(TEXT), gone=FLAG, line=COUNT, weak=FLAG
    ),
    passage=maybe(GROWN.schema),
    within=maybe(TEXT),
)
"""`passage` and `within` are told with `--context`: what a hit grew to, or the chunk of the hit whose passage holds it."""
HTTP = sometimes(
    also(files.HTTP, **_KNOWN.schema["properties"]),
    **_SCORED.schema["properties"],
    passage=maybe(GROWN.schema),
    within=maybe(TEXT),
)
"""The metadata of a chunk over HTTP, and of a hit."""


def hit(value: Hit, rank: int) -> Json:
    """Return a hit; `rank` counts from 1."""
    scored = _SCORED.as_json(value)
    return {
        "rank": rank,
        **scored,
        "score": round(value.score, 6),
        "scores": {name: round(score, 6) for name, score in value.scores.items()},
        **SHAPE.as_json(owned(value.chunk, value.file)),
        **grown(value),
    }


def grown(value: Hit) -> Json:
    """Return what a hit grew to, where that was asked for: its passage, or the better hit that has it in its own."""
    if value.within:
        return {"passage": None, "within": value.within}
    return {"passage": GROWN.as_json(value.passage), "within": None} if value.passage is not None else {}


def over_http(chunk: Chunk, file: File) -> Json:
    """Return what is known of a chunk, over the view of its file as the file shows it."""
    value = owned(chunk, file)
    return {**value.owner.view, **files.APART.as_json(value.owner), **_KNOWN.as_json(value)}


def hit_over_http(value: Hit) -> Json:
    """Return the metadata of a hit."""
    return over_http(value.chunk, value.file) | _SCORED.as_json(value) | grown(value)


def read(entry: Json) -> Chunk:
    """Return a chunk from a passage: `content` and `metadata`."""
    known = entry["metadata"]
    places = {name: known[name] for name in ("start", "end", "line_start", "line_end", "page")}
    head = tuple(known.get("head", ()))  # servers before 0.2 tell none
    text = entry["content"].removeprefix("".join(f"{line}\n" for line in head))
    span = Span(text=text, heading=tuple(known["heading"]), head=head, **places)
    return Chunk(known["_id"], known["partition"], "", known["ordinal"], span)


def read_hit(entry: Json, *, is_grown: bool = False) -> Hit:
    """Return a hit from a passage; `is_grown`: it was asked for with its neighbours."""
    known = entry["metadata"]
    passage = known.get("passage") if is_grown else None
    if passage:
        at = known["start"] - passage["start"]
        text = passage["text"][at : at + known["end"] - known["start"]]
        found = read({"content": text, "metadata": {**known, "head": ()}})
        span = replace(found.span, head=tuple(known["head"]))
        found = replace(found, span=span)
        passage = Span(heading=span.heading, **{**passage, "head": tuple(passage["head"])})
    else:
        found = read(entry)
    others = tuple(known.get("others", ()))
    within = known.get("within") if is_grown else None
    return Hit(found, files.read(known), known["score"], known["scores"], others, passage, within)
