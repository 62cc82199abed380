"""Tool calls as OpenAI's streams have them, whatever a server makes of them: told apart by id, numbered, arguments as text."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

Json = dict[str, Any]


@dataclass(slots=True)
class _Call:
    """A call as it comes: the id that it goes by, whether its server gave that, and what has come of it."""

    id: str
    is_given: bool
    name: str = ""
    arguments: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether the arguments are complete."""
        try:
            return isinstance(json.loads(self.arguments), dict)
        except (ValueError, RecursionError):
            return False


@dataclass(slots=True)
class ToolCallReader:
    """Reads the pieces of one answer's calls.

    What begins a call is a name: with another id, another index, another name, or after arguments that are complete.
    A piece without a name goes on with the call of its index, whatever id it has, or else with the last.
    """

    _calls: list[_Call] = field(default_factory=list)
    _number_of: dict[Any, int] = field(default_factory=dict)
    """By the server's own index: the call that last had it."""

    @property
    def n_calls(self) -> int:
        """How many calls there are by now."""
        return len(self._calls)

    def read(self, pieces: Any, *, is_whole: bool) -> tuple[Json, ...]:
        """Return pieces of calls in OpenAI's shape; what is no call counts as none."""
        if isinstance(pieces, dict):
            pieces = [pieces]
        if not isinstance(pieces, Sequence) or isinstance(pieces, str | bytes):
            return ()
        return tuple(self._piece(piece, is_whole=is_whole) for piece in pieces if isinstance(piece, dict))

    def read_legacy(self, call: Any) -> tuple[Json, ...]:
        """Return the older `function_call` as pieces of one call."""
        if not isinstance(call, dict):
            return ()
        return (self._piece({"index": "function_call", "function": call}, is_whole=False),)

    def close(self) -> tuple[Json, ...]:
        """Return the arguments of the calls that came without: clients read them as JSON."""
        bare = [number for number, call in enumerate(self._calls) if not call.arguments.strip()]
        return tuple({"index": number, "function": {"arguments": "{}"}} for number in bare)

    def _piece(self, piece: Json, *, is_whole: bool) -> Json:
        function = piece.get("function", piece)  # some put name and arguments beside the id
        function = function if isinstance(function, dict) else {}
        given, name = (value if isinstance(value, str) else "" for value in (piece.get("id"), function.get("name")))
        number, is_new = self._number(piece.get("index"), given, name, is_whole=is_whole)
        call = self._calls[number]
        arguments = _text(function.get("arguments"))
        call.arguments += arguments
        made: Json = {"index": number, "function": {"arguments": arguments}}
        if is_new:
            made |= {"id": call.id, "type": "function"}
        if name and not call.name:
            call.name = made["function"]["name"] = name
        return made

    def _number(self, index: Any, given: str, name: str, *, is_whole: bool) -> tuple[int, bool]:
        key = index if isinstance(index, int | str) else None
        if not is_whole:
            ids = [call.id for call in self._calls]
            last = len(ids) - 1 if key is None and ids else None
            at = ids.index(given) if given in ids else self._number_of.get(key, last)
            if at is not None and not _begins(self._calls[at], given, name, has_index=key is not None):
                return at, False
        self._calls.append(_Call(given or f"call_{uuid4().hex[:24]}", bool(given)))
        self._number_of[key] = len(self._calls) - 1
        return len(self._calls) - 1, True


def _begins(call: _Call, given: str, name: str, *, has_index: bool) -> bool:
    """Whether a piece begins another call than the one that its index, or its place, names."""
    if given == call.id or not name or not call.name:
        return False
    if given and call.is_given:  # some servers make up an id for every piece
        is_same_call = has_index and name == call.name and bool(call.arguments) and not call.is_whole
        return not is_same_call
    return name != call.name or call.is_whole


def _text(arguments: Any) -> str:
    if arguments is None:
        return ""
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
