"""Conditions on the metadata of files as a tree, and the SQL that finds the files of one.

Each leaf is a set of files that an index of `metadata_value` gives; `and`, `or` and `not` are operations on sets. A set
may stand for its complement, so that no `not` ever lists the files that it lets through. Values are bound, never
written into SQL.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

Value = str | int | float | bool | None
LARGEST = 1 << 63  # the first whole number that SQLite holds as a float


class Kind(IntEnum):
    """What a row of `metadata_value` holds; what stands in a list is `ENTRY` more."""

    NUMBER = 1
    TEXT = 2
    BOOLEAN = 3
    NULL = 4
    ARRAY = 5
    OBJECT = 6


ENTRY = 10
KIND_NAMES = {
    Kind.NUMBER: "number",
    Kind.TEXT: "text",
    Kind.BOOLEAN: "boolean",
    Kind.NULL: "null",
    Kind.ARRAY: "list",
    Kind.OBJECT: "object",
}


@dataclass(frozen=True, slots=True)
class OneOf:
    """The key has one of these values."""

    key: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Ordered:
    """The key's value stands in this order (`<`, `<=`, `>`, `>=`) to another of its type."""

    key: str
    sign: str
    value: Value


@dataclass(frozen=True, slots=True)
class Contains:
    """The key's list has this entry, or its text this part."""

    key: str
    value: Value


@dataclass(frozen=True, slots=True)
class Like:
    """The key's text is like a pattern: `%` stands for any text, `_` for any character, a backslash takes its meaning."""

    key: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Exists:
    """There is such a key."""

    key: str


@dataclass(frozen=True, slots=True)
class Not:
    """The inner condition does not hold."""

    inner: "Condition"


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Some part holds."""

    parts: tuple["Condition", ...]


Leaf = OneOf | Ordered | Contains | Like | Exists
Condition = Leaf | Not | AllOf | AnyOf


def leaves(condition: Condition) -> Iterator[Leaf]:
    """Yield the comparisons of a condition, in their order."""
    if isinstance(condition, Not):
        yield from leaves(condition.inner)
    elif isinstance(condition, AllOf | AnyOf):
        for part in condition.parts:
            yield from leaves(part)
    else:
        yield condition


def kind_of(value: Any) -> Kind:
    """Return the kind of a JSON value."""
    if value is None:
        return Kind.NULL
    if isinstance(value, bool):
        return Kind.BOOLEAN
    if isinstance(value, int | float):
        return Kind.NUMBER
    if isinstance(value, str):
        return Kind.TEXT
    return Kind.ARRAY if isinstance(value, list) else Kind.OBJECT


def number_of(value: Any) -> Any:
    """Return a number as it is compared: a whole one beyond 64 bits as a float."""
    if isinstance(value, float) or -LARGEST <= value < LARGEST:
        return value
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def pattern_parts(pattern: str) -> list[tuple[str, bool]]:
    """Return the characters of a pattern of `Like`, each with whether it stands for itself."""
    found = re.findall(r"\\(.)|(.)|\\\Z", pattern, re.DOTALL)
    return [
        (escaped or plain, bool(escaped) or plain not in {"%", "_"}) for escaped, plain in found if escaped or plain
    ]


def _glob(pattern: str) -> str:
    wild = {"%": "*", "_": "?"}
    return "".join(
        (f"[{char}]" if char in "*?[" else char) if is_itself else wild[char]
        for char, is_itself in pattern_parts(pattern)
    )


@dataclass(frozen=True, slots=True)
class FileSet:
    """SQL for a set of files: `tables` are those of a WITH clause, `name` the last one, with one column, `file`.

    When `is_complement`, the condition lets through all files but those.
    """

    tables: tuple[str, ...]
    name: str
    arguments: dict[str, Any]
    is_complement: bool

    @property
    def clause(self) -> str:
        """The WITH clause; it needs `:partitions`, a JSON list of numbers."""
        return "WITH " + ", ".join(self.tables)


def file_set(condition: Condition) -> FileSet:
    """Return the set of files that a condition lets through, or (a complement) does not."""
    writer = _Writer()
    name, is_complement = writer.write(condition)
    return FileSet(tuple(writer.tables), name, writer.arguments, is_complement)


Named = tuple[str, bool]


class _Writer:
    """Writes one table of a WITH clause for each leaf and each operation: flat, whatever the depth of the condition."""

    def __init__(self) -> None:
        self.tables: list[str] = []
        self.arguments: dict[str, Any] = {}

    def write(self, condition: Condition) -> Named:
        """Return (the table with the files of a condition, whether it stands for its complement)."""
        if isinstance(condition, Not):
            name, is_complement = self.write(condition.inner)
            return name, not is_complement
        if isinstance(condition, AllOf):
            return self._folded([self.write(part) for part in condition.parts], self._both)
        if isinstance(condition, AnyOf):
            return self._folded([self.write(part) for part in condition.parts], self._either)
        return self._leaf(condition), False

    def _folded(self, sets: Sequence[Named], join: Callable[[Named, Named], Named]) -> Named:
        """Join many sets two by two, so that a thousand of them are ten deep."""
        while len(sets) > 1:
            pairs = [join(sets[at], sets[at + 1]) for at in range(0, len(sets) - 1, 2)]
            sets = [*pairs, *sets[2 * len(pairs) :]]
        return sets[0]

    def _both(self, one: Named, other: Named) -> Named:
        if one[1] and other[1]:
            return self._joined("UNION", one, other), True
        if one[1] or other[1]:
            plain, without = (other, one) if one[1] else (one, other)
            return self._joined("EXCEPT", plain, without), False
        return self._joined("INTERSECT", one, other), False

    def _either(self, one: Named, other: Named) -> Named:
        name, is_complement = self._both((one[0], not one[1]), (other[0], not other[1]))
        return name, not is_complement

    def _joined(self, operation: str, one: Named, other: Named) -> str:
        return self._table(f"SELECT file FROM {one[0]} {operation} SELECT file FROM {other[0]}")

    def _table(self, sql: str) -> str:
        name = f"s{len(self.tables)}"
        self.tables.append(f"{name} (file) AS ({sql})")
        return name

    def _bound(self, value: Any) -> str:
        name = f"v{len(self.arguments)}"
        self.arguments[name] = value
        return f":{name}"

    def _leaf(self, leaf: Leaf) -> str:
        key = self._bound(leaf.key)
        rows = (
            "SELECT file FROM metadata_value WHERE partition_id IN (SELECT value FROM json_each(:partitions)) "
            f"AND key = {key} AND {test}"
            for test in list(self._tests(leaf)) or ["false"]
        )
        return self._table(" UNION ".join(rows))

    def _tests(self, leaf: Leaf) -> Iterator[str]:
        if isinstance(leaf, OneOf):
            for kind in Kind:
                values = [value for value in leaf.values if kind_of(value) is kind]
                if values:
                    bound = ", ".join(self._bound(_plain(value)) for value in dict.fromkeys(values))
                    yield f"kind = {kind:d} AND value IN ({bound})"
        elif isinstance(leaf, Ordered):
            if kind_of(leaf.value) in {Kind.NUMBER, Kind.TEXT}:
                yield f"kind = {kind_of(leaf.value):d} AND value {_SIGNS[leaf.sign]} {self._bound(_plain(leaf.value))}"
        elif isinstance(leaf, Contains):
            yield f"kind = {kind_of(leaf.value) + ENTRY:d} AND value = {self._bound(_plain(leaf.value))}"
            if isinstance(leaf.value, str):
                yield f"kind = {Kind.TEXT:d} AND instr(value, {self._bound(leaf.value)}) > 0"
        elif isinstance(leaf, Like):
            yield f"kind = {Kind.TEXT:d} AND value GLOB {self._bound(_glob(leaf.pattern))}"
        else:
            yield f"kind < {ENTRY}"


_SIGNS = {"<": "<", "<=": "<=", ">": ">", ">=": ">="}


def _plain(value: Value) -> Any:
    """Return a value as the column `value` holds it: a boolean as 0 or 1, null as 0."""
    return value if isinstance(value, str) else number_of(value or 0)
