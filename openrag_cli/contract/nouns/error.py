"""An error; its exit code and HTTP status are in `contract/error_codes.py`."""

from __future__ import annotations

from openrag_cli.contract.nouns.shape import TEXT, Field, Shape, maybe, object_of, sometimes
from openrag_cli.errors import OpenRAGError

SHAPE: Shape[OpenRAGError] = Shape(
    Field("code", TEXT, lambda value: value.code),
    Field("message", TEXT, lambda value: value.message),
    Field("hint", maybe(TEXT), lambda value: value.hint),
)
HTTP = sometimes(object_of(detail=TEXT, code=TEXT), hint=maybe(TEXT))
"""Over HTTP the sentence is `detail`, as OpenRAG's clients read it."""
