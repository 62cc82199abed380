"""What a filter may have got wrong, told beside its result: a key that no file has, or never with a value of that type."""

import difflib
from collections.abc import Iterable, Sequence

from openrag_cli.domain import DocumentWarning
from openrag_cli.store.files.conditions import (
    KIND_NAMES,
    Condition,
    Contains,
    Exists,
    Kind,
    Leaf,
    Like,
    OneOf,
    Ordered,
    kind_of,
    leaves,
)
from openrag_cli.store.files.filtered_files import FilteredFiles
from openrag_cli.store.names import forms

MAX_NOTES = 5
_PLURALS = {kind: "null" if kind is Kind.NULL else f"{name}s" for kind, name in KIND_NAMES.items()}


def filter_notes(condition: Condition, files: FilteredFiles, partition_ids: Sequence[int]) -> list[DocumentWarning]:
    """Return a warning for each key of a condition that cannot mean what it says, with the nearest key or the type."""
    notes: dict[str, DocumentWarning] = {}
    known: list[str] | None = None
    for leaf in leaves(condition):
        if leaf.key in notes or len(notes) == MAX_NOTES:
            continue
        kinds = files.kinds(leaf.key, partition_ids)
        if not kinds and any(files.kinds(form, partition_ids) for form in forms(leaf.key)[1:]):
            continue
        if not kinds:
            known = files.keys(partition_ids) if known is None else known
            if known:  # where there is no file, there is nothing to be wrong about
                notes[leaf.key] = DocumentWarning("unknown_key", _unknown(leaf.key, known))
        elif (told := _mistyped(leaf, kinds)) is not None:
            notes[leaf.key] = DocumentWarning("other_type", told)
    return list(notes.values())


def _unknown(key: str, known: Sequence[str]) -> str:
    near = nearest(key, known)
    return f"no file here has the key {key}" + (f"; did you mean {near}?" if near else "; see: openrag file keys")


def nearest(key: str, known: Iterable[str]) -> str | None:
    """Return the key that `key` may have meant: one that differs in case, or in a letter or two, or has it as a word."""
    folded: dict[str, str] = {}
    for one in known:
        folded.setdefault(one.casefold(), one)
    close = difflib.get_close_matches(key.casefold(), folded, n=1, cutoff=0.6)
    longer = [one for one in folded if key.casefold() in one.split("_")]  # media_type is what "type" may have meant
    found = close or longer[:1]
    return folded[found[0]] if found else None


def _mistyped(leaf: Leaf, kinds: set[Kind]) -> str | None:
    wanted = _wanted(leaf)
    if not wanted or wanted & kinds:
        return None
    has = " and ".join(_PLURALS[kind] for kind in sorted(kinds))
    hint = ""
    if isinstance(leaf, OneOf) and Kind.ARRAY in kinds:
        hint = "; write contains for what stands in a list"
    elif Kind.NUMBER in kinds and Kind.TEXT in wanted:
        hint = "; write a number without quotes"
    elif Kind.TEXT in kinds and Kind.NUMBER in wanted:
        hint = "; write a text in quotes"
    return f"the key {leaf.key} has {has} here, and nothing else{hint}"


def _wanted(leaf: Leaf) -> set[Kind]:
    """Return the kinds of value that a comparison can be true of; none when it is true of any."""
    if isinstance(leaf, Exists):
        return set()
    if isinstance(leaf, OneOf):
        return {kind_of(value) for value in leaf.values}
    if isinstance(leaf, Ordered):
        return {kind_of(leaf.value)}
    if isinstance(leaf, Like):
        return {Kind.TEXT}
    assert isinstance(leaf, Contains)
    return {Kind.ARRAY, Kind.TEXT} if isinstance(leaf.value, str) else {Kind.ARRAY}
