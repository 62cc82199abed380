"""The first or the last entry of a log, where a question asks for it: what was first is what stands first."""

import re
from collections.abc import Sequence

from openrag_cli.answering.quoting.blocks import STAMPED
from openrag_cli.answering.quoting.scoring import Scored

_FIRST = re.compile(r"\b(?:first|earliest|oldest|premi(?:er|ère)s?|d'abord|zuerst)\b", re.IGNORECASE)
_LAST = re.compile(r"\b(?:last|latest|newest|most recent(?:ly)?|derni(?:er|ère)s?|zuletzt)\b", re.IGNORECASE)
_FAILING = re.compile(r"\b(?:fail\w*|errors?|wrong|broke|crash\w*|erreurs?|échou\w+|fehler)\b", re.IGNORECASE)
_FAILURE = re.compile(
    r"\b(?:fail\w*|err(?:or)?|fatal|crit(?:ical)?|emerg|panic|exception|traceback|refused|denied|timed out|abort\w*|crash\w*"
    r"|killed|segfault)\b",
    re.IGNORECASE,
)
"""How logs call what went wrong."""


def asked_entry(question: str, found: Sequence[Scored]) -> Scored | None:
    """Return the first or the last of the entries of one document that share most words with a question; None where it
    asks for neither, or no entry that tells its time shares a word with it, or tells of a failure where it asks for one."""
    is_first, is_last = bool(_FIRST.search(question)), bool(_LAST.search(question))
    stamped = [one for one in found if STAMPED.match(one.unit.text)]
    entries = [one for one in stamped if one.values["words"] > 0]
    if not entries and _FAILING.search(question):
        entries = [one for one in stamped if _FAILURE.search(one.unit.text)]
    if is_first == is_last or not entries:
        return None
    best = max(entries, key=lambda one: (one.values["words"], one.score))
    equal = [
        one
        for one in entries
        if one.values["words"] == best.values["words"] and one.unit.passage.file == best.unit.passage.file
    ]
    return (min if is_first else max)(equal, key=lambda one: one.unit.start)
