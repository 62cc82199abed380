"""What a reader tells of a document besides its text: warnings, and what it left out, counted by kind.

Letters that were left out on purpose are remembered, so that the guard below does not miss them: it compares the
letters of a document's text, taken by other means than its reader's, with those of what the reader made of it.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable

from openrag_cli.domain import DocumentWarning

MAX_WARNINGS = 50
"""A file keeps so many warnings; a damaged one could have thousands."""

LEAST_SHARE = 0.9
"""Below this share of letters that came through, a file has a warning."""

_LEAST_LETTERS = 20


class Notes:
    """Collects what is to be said of one document. Not safe across threads: a document has one reader."""

    def __init__(self) -> None:
        self._warnings: list[DocumentWarning] = []
        self._left_out: dict[tuple[str, str], int] = {}
        self._letters: Counter[str] = Counter()
        self._n_hidden = self._n_hidden_chars = 0

    def warn(self, code: str, message: str, place: str | None = None) -> None:
        """Add a warning; the same one is said once."""
        warning = DocumentWarning(code, message, place)
        if warning not in self._warnings[-MAX_WARNINGS:]:
            self._warnings.append(warning)

    def leave_out(self, noun: str, text: str = "", *, code: str = "left_out") -> None:
        """Count one thing that is not in the text, such as `linked picture`; `text` is what stood in it."""
        self._left_out[code, noun] = self._left_out.get((code, noun), 0) + 1
        self._letters += letters(text)

    def hide(self, text: str) -> None:
        """Count a piece of text that a person who reads the document does not see, and that is left out."""
        if text.strip():
            self._n_hidden += 1
            self._n_hidden_chars += len(text.strip())
            self._letters += letters(text)

    def ignore(self, text: str) -> None:
        """Remember text that is left out because it stands elsewhere too, or is no part of the document."""
        self._letters += letters(text)

    def told(self) -> list[DocumentWarning]:
        """Return the warnings, and one for each kind of thing that was left out."""
        told = list(self._warnings)
        if self._n_hidden:
            pieces = counted(self._n_hidden, "hidden piece")
            message = f"{pieces} of text ({self._n_hidden_chars:,} characters), which readers do not see, left out"
            told.append(DocumentWarning("hidden_text_left_out", message))
        by_code: dict[str, list[str]] = {}
        for (code, noun), n in self._left_out.items():
            by_code.setdefault(code, []).append(counted(n, noun))
        told += [DocumentWarning(code, f"left out: {', '.join(things)}") for code, things in by_code.items()]
        return told

    def lost(self, witness: Iterable[str], markdown: str) -> DocumentWarning | None:
        """Return a warning where too many letters of `witness`, the document's own text, are not in `markdown`.

        What was left out with a word of its own is not missed.
        """
        source = letters("".join(witness)) - self._letters
        n_letters = source.total()
        n_kept = n_letters - (source - letters(markdown)).total()
        if n_letters < _LEAST_LETTERS or n_kept >= LEAST_SHARE * n_letters:
            return None
        share = 1 - n_kept / n_letters
        return DocumentWarning("text_lost", f"about {share:.0%} of its letters are not in the text that is indexed")


def letters(text: str) -> Counter[str]:
    """Return how often each letter and digit stands in a text; forms of one letter count as it."""
    found: Counter[str] = Counter()
    for char, n in Counter(text).items():
        if char.isalnum():
            for plain in char if char.isascii() else unicodedata.normalize("NFKD", char):
                if plain.isalnum():
                    found[plain] += n
    return found


def bounded(warnings: Iterable[DocumentWarning]) -> tuple[DocumentWarning, ...]:
    """Return the first warnings, and how many more there were."""
    every = list(dict.fromkeys(warnings))
    if len(every) <= MAX_WARNINGS:
        return tuple(every)
    more = DocumentWarning("more_warnings", f"{len(every) - MAX_WARNINGS + 1:,} more warnings")
    return (*every[: MAX_WARNINGS - 1], more)


def counted(n: int, noun: str) -> str:
    """Return a number with its noun: 1 picture, 2 pictures."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
