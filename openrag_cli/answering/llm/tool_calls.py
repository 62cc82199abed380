"""Tool calls as OpenAI's streams have them, whatever a server makes of them: told apart by id, numbered, arguments as text."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

Json = dict[str, Any]


@dataclass(slots=True)
class ToolCallReader:
    """Reads the pieces of one answer's calls. A new id, or in a whole answer a new entry, is a new call."""

    _ids: list[str] = field(default_factory=list)
    _number_of: dict[Any, int] = field(default_factory=dict)
    """By the server's own index: the call that last had it."""
    _named: set[int] = field(default_factory=set)

    @property
    def n_calls(self) -> int:
        """How many calls there are by now."""
        return len(self._ids)

    def read(self, pieces: Any, *, is_whole: bool) -> tuple[Json, ...]:
        """Return pieces of calls in OpenAI's shape; what is no call counts as none."""
        if not isinstance(pieces, Sequence) or isinstance(pieces, str | bytes):
            return ()
        return tuple(self._piece(piece, is_whole=is_whole) for piece in pieces if isinstance(piece, dict))

    def read_legacy(self, call: Any) -> tuple[Json, ...]:
        """Return the older `function_call` as pieces of one call."""
        if not isinstance(call, dict):
            return ()
        return (self._piece({"index": "function_call", "function": call}, is_whole=False),)

    def _piece(self, piece: Json, *, is_whole: bool) -> Json:
        function = piece.get("function")
        function = function if isinstance(function, dict) else {}
        given = piece.get("id")
        known = given if isinstance(given, str) and given else None
        number, is_new = self._number(piece.get("index"), known, is_whole=is_whole)
        made: Json = {"index": number, "function": {"arguments": _text(function.get("arguments"))}}
        if is_new:
            made |= {"id": self._ids[number], "type": "function"}
        name = function.get("name")
        if number not in self._named and isinstance(name, str) and name:
            self._named.add(number)
            made["function"]["name"] = name
        return made

    def _number(self, index: Any, known: str | None, *, is_whole: bool) -> tuple[int, bool]:
        key = index if isinstance(index, int | str) else None
        if known is not None and known in self._ids and not is_whole:
            return self._ids.index(known), False
        if known is None and not is_whole:
            if key is not None and key in self._number_of:
                return self._number_of[key], False
            if key is None and self._ids:
                return len(self._ids) - 1, False
        number = len(self._ids)
        self._ids.append(known or f"call_{uuid4().hex[:24]}")
        self._number_of[key] = number
        return number, True


def _text(arguments: Any) -> str:
    if arguments is None:
        return ""
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
