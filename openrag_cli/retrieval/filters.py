"""Conditions on metadata: `year >= 2024 and tag = "x"`.

    condition  = term { "or" term }
    term       = factor { "and" factor }
    factor     = "not" factor | "(" condition ")" | key operator value | key "in" "(" value { "," value } ")"
               | key "exists"
    operator   = "=" | "!=" | "<" | "<=" | ">" | ">=" | "contains"
    key        = a word (letters, digits, "_", "-", "."), or a text in backquotes
    value      = a number, a text in single or double quotes, true, false, null

A filter is parsed and evaluated here, on metadata that is already in memory: no part of it ever becomes SQL. A key that
a file does not have makes every comparison false but `!=`. Numbers compare with numbers and texts with texts; anything
else is unequal and unordered. `contains` looks for a value in a list, or a text in a text. `filename`, `file_id`,
`media_type` and `size` are the file's own, where its metadata has no such key.
"""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from openrag_cli import limits
from openrag_cli.errors import InvalidInput

Condition = Callable[[Mapping[str, Any]], bool]

MAX_DEPTH = limits.most("filter_depth")

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<key>`[^`]+`)|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.-]))
    |(?P<operator><=|>=|!=|=|<|>)|(?P<mark>[(),])|(?P<word>[^\W\d][\w.-]*))""",
    re.VERBOSE,
)
_ORDERED = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_CONSTANTS = {"true": True, "false": False, "null": None}
_MISSING = object()


def parse(text: str) -> Condition:
    """Return the condition that `text` writes.

    Raises:
        InvalidInput: it is not in the grammar; the message names the position, counted from 1.
    """
    limits.check("filter_chars", len(text))
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split()
        self._at = 0
        self._depth = 0

    def _split(self) -> list[tuple[str, str, int]]:
        tokens = []
        position = 0
        end = len(self._text.rstrip())
        while position < end:
            match = _TOKEN.match(self._text, position)
            if match is None:
                position += len(self._text[position:]) - len(self._text[position:].lstrip())
                raise self._wrong(f"unexpected {self._text[position]!r}", position)
            kind = str(match.lastgroup)
            tokens.append((kind, match[kind], match.start(kind)))
            position = match.end()
        return [*tokens, ("end", "", end)]

    def _wrong(self, what: str, position: int) -> InvalidInput:
        return InvalidInput(
            f"the filter is wrong at position {position + 1}: {what}", hint='for example: year >= 2024 and tag = "x"'
        )

    @property
    def _next(self) -> tuple[str, str, int]:
        return self._tokens[self._at]

    def _take(self, kind: str, *words: str) -> str | None:
        found, text, _ = self._next
        if found == kind and (not words or text.lower() in words):
            self._at += 1
            return text
        return None

    def _need(self, kind: str, *words: str) -> str:
        taken = self._take(kind, *words)
        if taken is None:
            wanted = " or ".join(words) or {"operator": "a comparison such as ="}.get(kind, kind)
            raise self._wrong(f"expected {wanted}, found {self._next[1] or 'the end'}", self._next[2])
        return taken

    def parse(self) -> Condition:
        condition = self._any()
        if self._next[0] != "end":
            raise self._wrong(f"unexpected {self._next[1]!r}", self._next[2])
        return condition

    def _any(self) -> Condition:
        parts = [self._all()]
        while self._take("word", "or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else lambda metadata: any(part(metadata) for part in parts)

    def _all(self) -> Condition:
        parts = [self._factor()]
        while self._take("word", "and"):
            parts.append(self._factor())
        return parts[0] if len(parts) == 1 else lambda metadata: all(part(metadata) for part in parts)

    def _factor(self) -> Condition:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._wrong(f"it is nested more than {MAX_DEPTH} deep", self._next[2])
        try:
            if self._take("word", "not"):
                inner = self._factor()
                return lambda metadata: not inner(metadata)
            if self._take("mark", "("):
                inner = self._any()
                self._need("mark", ")")
                return inner
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Condition:
        key = self._key()
        if self._take("word", "exists"):
            return lambda metadata: key in metadata
        if self._take("word", "in"):
            return self._membership(key)
        if self._take("word", "contains"):
            wanted = self._value()
            return lambda metadata: _contains(metadata.get(key), wanted)
        sign = self._need("operator")
        value = self._value()
        if sign == "=":
            return lambda metadata: _equal(metadata.get(key, _MISSING), value)
        if sign == "!=":
            return lambda metadata: not _equal(metadata.get(key, _MISSING), value)
        compare = _ORDERED[sign]
        return lambda metadata: _comparable(metadata.get(key), value) and bool(compare(metadata[key], value))

    def _membership(self, key: str) -> Condition:
        self._need("mark", "(")
        values = [self._value()]
        while self._take("mark", ","):
            values.append(self._value())
        self._need("mark", ")")
        return lambda metadata: any(_equal(metadata.get(key, _MISSING), value) for value in values)

    def _key(self) -> str:
        quoted = self._take("key")
        if quoted is not None:
            return quoted[1:-1]
        kind, text, position = self._next
        if kind != "word":
            raise self._wrong(f"expected a key, found {text or 'the end'}", position)
        self._at += 1
        return text

    def _value(self) -> Any:
        kind, text, position = self._next
        self._at += 1
        if kind == "text":
            return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
        if kind == "number":
            return _number(text)
        if kind == "word" and text.lower() in _CONSTANTS:
            return _CONSTANTS[text.lower()]
        hint = f' (a text is written in quotes: "{text}")' if kind == "word" else ""
        raise self._wrong(f"expected a value, found {text or 'the end'}{hint}", position)


def _number(text: str) -> int | float:
    """Return the number that digits write; a whole number beyond 64 bits is as large as a float can tell."""
    value = float(text)
    is_whole = not set(text) & set(".eE")
    return int(text) if is_whole and abs(value) < 1 << 62 else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _comparable(left: Any, right: Any) -> bool:
    return (_is_number(left) and _is_number(right)) or (isinstance(left, str) and isinstance(right, str))


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool) or left is None or right is None:
        return left is right
    return _comparable(left, right) and bool(left == right)


def _contains(container: Any, wanted: Any) -> bool:
    if isinstance(container, list):
        return any(_equal(entry, wanted) for entry in container)
    return isinstance(container, str) and isinstance(wanted, str) and wanted in container
