"""Warnings of a document as the JSON that rows of `file` and `task` hold."""

import json
from collections.abc import Iterable
from dataclasses import asdict

from openrag_cli.domain import DocumentWarning


def to_warnings(text: str) -> tuple[DocumentWarning, ...]:
    """Return the warnings in a row's JSON list."""
    return tuple(DocumentWarning(**entry) for entry in json.loads(text)) if text != "[]" else ()


def from_warnings(warnings: Iterable[DocumentWarning]) -> str:
    """Return warnings as the JSON list of a row."""
    return json.dumps([asdict(warning) for warning in warnings], ensure_ascii=False)
