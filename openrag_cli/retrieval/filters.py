"""Conditions on metadata: `year >= 2024 and tag = "x"`.

    condition  = term { "or" term }
    term       = factor { "and" factor }
    factor     = "not" factor | "(" condition ")" | key operator value
               | key [ "not" ] "in" list | key [ "not" ] "like" text
               | key "exists"
    operator   = "=" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "contains"
    list       = "(" value { "," value } ")" | "[" value { "," value } "]"
    key        = a word (letters, digits, "_", "-", "."),
                 or a text in backquotes
    value      = a number, a text in single or double quotes,
                 true, false, null, or a time: iso "2024-05-01"

A key that a file does not have makes every comparison false but `!=`. Numbers compare with numbers and texts with texts;
anything else is unequal and unordered. `contains` looks for a value in a list, or a text in a text. In the text of
`like`, % stands for any text and _ for any character. Times compare as the texts that they are; one with an offset is
brought to UTC. What a user or a document says of a file can be asked for, and where nobody says otherwise what is known
of every file: file_id, partition, filename, media_type, size, sha256, revision, chunk_count, created_at, updated_at;
and always indexed_at, stored_as and modified_at, the date of the document. A key that no file has, or never of that
type, is told with the nearest one.
"""

import json
import operator
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from openrag_cli import limits
from openrag_cli.errors import InvalidInput
from openrag_cli.store.files.conditions import (
    AllOf,
    AnyOf,
    Condition,
    Contains,
    Exists,
    Kind,
    Leaf,
    Like,
    Not,
    OneOf,
    Ordered,
    Value,
    kind_of,
    number_of,
    pattern_parts,
)
from openrag_cli.store.metadata import rfc3339
from openrag_cli.store.names import forms

__all__ = ["Condition", "bound", "evaluate", "parse", "quoted"]

MAX_DEPTH = limits.most("filter_depth")

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<key>`[^`]+`)|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.-]))
    |(?P<operator><=|>=|!=|==|=|<|>)|(?P<mark>[(),\[\]])|(?P<word>[^\W\d][\w\u0300-\u036f.-]*))""",
    re.VERBOSE | re.DOTALL,
)
_CONSTANTS = {"true": True, "false": False, "null": None}
_CLOSING = {"(": ")", "[": "]"}


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
        """Return the condition that the whole text writes."""
        condition = self._any()
        if self._next[0] != "end":
            raise self._wrong(f"unexpected {self._next[1]!r}", self._next[2])
        return condition

    def _any(self) -> Condition:
        parts = [self._all()]
        while self._take("word", "or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _all(self) -> Condition:
        parts = [self._factor()]
        while self._take("word", "and"):
            parts.append(self._factor())
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _factor(self) -> Condition:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._wrong(f"it is nested more than {MAX_DEPTH} deep", self._next[2])
        try:
            if self._take("word", "not"):
                return Not(self._factor())
            if self._take("mark", "("):
                inner = self._any()
                self._need("mark", ")")
                return inner
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Condition:
        key = self._key()
        begin = self._at
        said = []
        for form in forms(key):
            self._at = begin
            said.append(self._compared(form))
        return said[0] if len(said) == 1 else self._of_any(said)

    @staticmethod
    def _of_any(said: list[Condition]) -> Condition:
        """Return the same comparison of keys that are canonically equivalent: of any, or (negated) of none."""
        if isinstance(said[0], Not):
            return AllOf(tuple(said))
        return AnyOf(tuple(said))

    def _compared(self, key: str) -> Condition:
        if self._take("word", "not"):
            return Not(self._worded(key, self._need("word", "in", "like")))
        if (word := self._take("word", "exists", "in", "like", "contains")) is not None:
            return self._worded(key, word)
        sign = self._need("operator")
        value = self._value()
        if sign in {"=", "=="}:
            return OneOf(key, _every_form(value))
        return Not(OneOf(key, _every_form(value))) if sign == "!=" else Ordered(key, sign, value)

    def _worded(self, key: str, word: str) -> Condition:
        if word.lower() == "exists":
            return Exists(key)
        if word.lower() == "in":
            return self._membership(key)
        if word.lower() == "contains":
            return _any_form(lambda value: Contains(key, value), self._value())
        position = self._next[2]
        pattern = self._value()
        if not isinstance(pattern, str):
            raise self._wrong("expected a text after like", position)
        return _any_form(lambda value: Like(key, value), pattern)

    def _membership(self, key: str) -> Condition:
        closing = _CLOSING[self._need("mark", "(", "[")]
        values = [self._value()]
        while self._take("mark", ","):
            values.append(self._value())
        self._need("mark", closing)
        return OneOf(key, tuple(form for value in values for form in _every_form(value)))

    def _key(self) -> str:
        quoted = self._take("key")
        if quoted is not None:
            return quoted[1:-1]
        kind, text, position = self._next
        if kind != "word":
            raise self._wrong(f"expected a key, found {text or 'the end'}", position)
        self._at += 1
        return text

    def _value(self) -> Value:
        kind, text, position = self._next
        self._at += 1
        if kind == "text":
            return _unquoted(text)
        if kind == "number":
            return _number(text)
        if kind == "word" and text.lower() in _CONSTANTS:
            return _CONSTANTS[text.lower()]
        if kind == "word" and text.lower() == "iso" and self._next[0] == "text":
            return self._time(_unquoted(self._need("text")), position)
        hint = f' (a text is written in quotes: "{text}")' if kind == "word" else ""
        raise self._wrong(f"expected a value, found {text or 'the end'}{hint}", position)

    def _time(self, text: str, position: int) -> str:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise self._wrong(f"{text!r} is no time of ISO 8601, such as 2024-05-01T12:00:00Z", position) from None
        return rfc3339(moment.astimezone(UTC)) if moment.utcoffset() else text


def _every_form(value: Value) -> tuple[Value, ...]:
    return tuple(forms(value)) if isinstance(value, str) else (value,)


def _any_form(make: Callable[[Any], Condition], value: Value) -> Condition:
    parts = tuple(make(form) for form in _every_form(value))
    return parts[0] if len(parts) == 1 else AnyOf(parts)


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)


def _number(text: str) -> int | float:
    """Return the number that digits write; a whole number beyond 64 bits is as large as a float can tell."""
    value = float(text)
    is_whole = not set(text) & set(".eE")
    return int(text) if is_whole and abs(value) < 1 << 62 else value


def quoted(text: str) -> str:
    """Return a text as a condition writes it."""
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


_PLACE = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]+`)|\{(\w+)\}""", re.DOTALL)


def bound(text: str, values: Mapping[str, Any]) -> str:
    """Return a filter with values in the place of each `{name}` outside of quotes: no value can change what it says.

    Raises:
        InvalidInput: a name has no value, or one that is neither a text, a number, a truth value, null nor a list.
    """

    def written(value: Any) -> str:
        """Return a value as a condition writes it."""
        if isinstance(value, str):
            return quoted(value)
        if value is None or isinstance(value, bool | int | float):
            return json.dumps(value)
        if isinstance(value, list) and not any(isinstance(inner, list | dict) for inner in value):
            return f"[{', '.join(map(written, value))}]"
        raise InvalidInput("a value of the filter is an object", hint="texts, numbers, true, false, null, and lists")

    def put(found: re.Match[str]) -> str:
        """Return what stands in the place of a name."""
        if found[1]:
            return found[0]
        if found[2] not in values:
            raise InvalidInput(
                f"the filter has {{{found[2]}}}, and there is no value for it", hint="see filter_params"
            )
        return written(values[found[2]])

    return _PLACE.sub(put, text)


def evaluate(condition: Condition, view: Mapping[str, Any]) -> bool:
    """Whether a condition holds for a file with this view of its metadata (see store/metadata.py).

    What the SQL of store/files/conditions.py finds is defined by this.
    """
    if isinstance(condition, Not):
        return not evaluate(condition.inner, view)
    if isinstance(condition, AllOf):
        return all(evaluate(part, view) for part in condition.parts)
    if isinstance(condition, AnyOf):
        return any(evaluate(part, view) for part in condition.parts)
    return condition.key in view and _holds(condition, view[condition.key])


def _holds(leaf: Leaf, value: Any) -> bool:
    if isinstance(leaf, Exists):
        return True
    if isinstance(leaf, OneOf):
        return any(_equal(value, wanted) for wanted in leaf.values)
    if isinstance(leaf, Contains):
        if isinstance(value, list):
            return any(_equal(entry, leaf.value) for entry in value)
        return isinstance(value, str) and isinstance(leaf.value, str) and leaf.value in value
    if isinstance(leaf, Like):
        return isinstance(value, str) and _like(leaf.pattern).fullmatch(value) is not None
    return _in_order(leaf, value)


def _like(pattern: str) -> "re.Pattern[str]":
    wild = {"%": ".*", "_": "."}
    parts = (re.escape(char) if is_itself else wild[char] for char, is_itself in pattern_parts(pattern))
    return re.compile("".join(parts), re.DOTALL)


def _in_order(leaf: Ordered, value: Any) -> bool:
    kind = kind_of(value)
    if kind is not kind_of(leaf.value) or kind not in {Kind.NUMBER, Kind.TEXT}:
        return False
    left, right = (value, leaf.value) if kind is Kind.TEXT else (number_of(value), number_of(leaf.value))
    return bool(_IN_ORDER[leaf.sign](left, right))


_IN_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def _equal(left: Any, right: Value) -> bool:
    kind = kind_of(left)
    if kind is not kind_of(right) or kind in {Kind.ARRAY, Kind.OBJECT}:
        return False
    return bool(number_of(left) == number_of(right)) if kind is Kind.NUMBER else bool(left == right)
