"""What a text must hold so that a pattern can match in it, as far as the pattern's own parse tells.

It is found in the process that matches, for a pattern may be made to be costly. What is not understood needs nothing.
"""

import importlib
import re
from collections.abc import Iterable
from typing import Any

Need = dict[str, Any]
"""`runs`: all of these texts stand in it. `any`: of each of these lists of needs, one is met."""

NOTHING: Need = {"runs": [], "any": []}
_REPEATS = {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}


def needs(pattern: str, flags: int) -> Need:
    """Return what a valid pattern needs; without case, runs of ASCII alone.

    The parser is Python's own and private: `re` has no other door to it. Where it is not there, nothing is needed.
    """
    try:
        parsed = importlib.import_module("re._parser").parse(pattern, flags)
        without_case = bool(parsed.state.flags & re.IGNORECASE) or _turns_case_off(parsed)
        return _of_sequence(parsed, without_case=without_case)
    except (ImportError, AttributeError, TypeError, ValueError, RecursionError):
        return NOTHING


def _turns_case_off(sequence: Iterable[Any]) -> bool:
    """Whether a part of the pattern ignores case, `(?i:...)`: the whole is taken so."""
    for kind, value in sequence:
        if str(kind) == "SUBPATTERN" and value[1] & re.IGNORECASE:
            return True
        if any(_turns_case_off(inner) for inner in _inner(str(kind), value)):
            return True
    return False


def _inner(kind: str, value: Any) -> list[Any]:
    if kind == "SUBPATTERN":
        return [value[3]]
    if kind in _REPEATS:
        return [value[2]]
    if kind == "BRANCH":
        return list(value[1])
    if kind == "ATOMIC_GROUP":
        return [value]
    return []


def _of_sequence(sequence: Iterable[Any], *, without_case: bool) -> Need:
    need: Need = {"runs": [], "any": []}
    run = ""
    for op, value in sequence:
        kind = str(op)
        letter = _letter(kind, value, without_case=without_case)
        if letter:
            run += letter
            continue
        need["runs"] += [run] if run else []
        run = ""
        if kind == "BRANCH":
            choices = [_of_sequence(inner, without_case=without_case) for inner in value[1]]
            need["any"] += [choices] if all(one != NOTHING for one in choices) else []
        elif kind not in _REPEATS or value[0] >= 1:
            for inner in _inner(kind, value):
                own = _of_sequence(inner, without_case=without_case)
                need["runs"] += own["runs"]
                need["any"] += own["any"]
    need["runs"] += [run] if run else []
    return need


def _letter(kind: str, value: Any, *, without_case: bool) -> str:
    """Return the one letter that a part matches, in whatever case; empty when it may match others."""
    if kind == "LITERAL":
        found = {chr(value)}
    elif kind == "IN" and all(str(one) == "LITERAL" for one, _ in value):
        found = {chr(code).lower() for _, code in value}
    else:
        return ""
    letter = found.pop()
    is_one = not found and len(letter) == 1
    return letter if is_one and (letter.isascii() or not without_case) else ""
