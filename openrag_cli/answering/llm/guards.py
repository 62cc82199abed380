"""What is taken out of an answer, or ends it: lines of our own prompt, and a stretch that comes again and again."""

import re
from dataclasses import dataclass

MIN_STRETCH = 20
MAX_STRETCH = 4000
TIMES = 5
_LOOK_EVERY = 64
_MAX_CANDIDATES = 300
"""How many earlier places of the last characters are looked at."""

_HEAD = 8
_LONG_RUN = 1000
"""A run of one sign, such as a rule, is taken for a loop only beyond this many characters."""


@dataclass(slots=True)
class RepeatGuard:
    """Notices when the same stretch of 20 characters or more has come five times in a row, outside of code and tables."""

    _tail: str = ""
    _head: str = ""
    """The first signs of the line in hand."""
    _fence: str = ""
    """The marks that opened a block of code: as many of them close it."""
    _is_row: bool = False
    _n_new: int = 0

    def feed(self, text: str) -> bool:
        """Take in a piece; return whether the answer repeats itself."""
        return any(self._feed(text[at : at + _LOOK_EVERY]) for at in range(0, len(text), _LOOK_EVERY))

    def _feed(self, text: str) -> bool:
        for line in text.splitlines(keepends=True):
            if len(self._head) < _HEAD:
                self._head = (self._head + line).lstrip()[:_HEAD]
            self._tail += line
            self._is_row |= "|" in line
            if line.endswith(("\n", "\r")):
                if marks := _marks_of(self._head):
                    self._fence = "" if self._fence and marks.startswith(self._fence) else self._fence or marks
                if self._is_apart:
                    self._tail = ""
                self._head, self._is_row = "", False
        self._n_new += len(text)
        if self._is_apart or self._n_new < MIN_STRETCH:
            return False
        self._n_new = 0
        self._tail = self._tail[-max(TIMES * MAX_STRETCH, _LONG_RUN) :]
        return _repeats(self._tail)

    @property
    def _is_apart(self) -> bool:
        """Whether the line in hand is code or a row of a table: these repeat themselves rightly."""
        return bool(self._fence or self._is_row or _marks_of(self._head))


def _marks_of(line: str) -> str:
    """Return the backticks or tildes, three at least, that a line begins with; "" where it begins with none."""
    found = re.match(r"`{3,}|~{3,}", line)
    return found[0] if found else ""


def _repeats(tail: str) -> bool:
    last, at = tail[-MIN_STRETCH:], len(tail) - MIN_STRETCH
    for _ in range(_MAX_CANDIDATES):
        at = tail.rfind(last, 0, at + MIN_STRETCH - 1) if at > 0 else -1
        period = len(tail) - MIN_STRETCH - at
        size = period * -(-MIN_STRETCH // period)
        if at < 0 or size > MAX_STRETCH or len(tail) < TIMES * size:
            return False
        stretch = tail[-size:]
        if tail.endswith(stretch, 0, -size) and tail.endswith(stretch * TIMES):
            is_rule = not any(char.isalnum() for char in stretch)
            return not is_rule or (len(tail) >= _LONG_RUN and tail.endswith(stretch * (_LONG_RUN // size)))
    return False


_FENCE_LINE = re.compile(r"\s*(?:<<<\s*PASSAGE-[0-9a-f]{4,}|PASSAGE-[0-9a-f]{4,}\s*>>>\s*$)")
_SOURCE = "Source:"
_MAX_HELD = 300


@dataclass(slots=True)
class FenceFilter:
    """Drops lines that carry the fence of quoted passages, or one like it, with the source line that follows."""

    fence: str
    _held: str = ""
    _is_shown: bool = False
    """Whether a part of the line in hand has been shown: then the rest of it is too."""
    _after_fence: bool = False

    def feed(self, text: str) -> str:
        """Take in a piece of the answer and return what may be shown."""
        return "".join(self._line(line) for line in text.splitlines(keepends=True)) if text else ""

    def close(self) -> str:
        """Return the rest."""
        rest, self._held = self._held, ""
        return "" if self._is_dropped(rest) else rest

    def _line(self, piece: str) -> str:
        is_end = piece.endswith(("\n", "\r"))
        if not self._is_shown:
            self._held += piece
            if not is_end and self._may_be_dropped():
                return ""
            piece, self._held = self._held, ""
            if is_end and self._is_dropped(piece):
                return ""
            self._after_fence = False
        self._is_shown = not is_end
        return piece

    def _may_be_dropped(self) -> bool:
        begun = self._held.lstrip()
        if len(self._held) > _MAX_HELD:
            return False
        marks = ["<<<", "PASSAGE-", *([_SOURCE] if self._after_fence else [])]
        return any(mark.startswith(begun[: len(mark)]) for mark in marks)

    def _is_dropped(self, line: str) -> bool:
        if self.fence in line or _FENCE_LINE.match(line):
            self._after_fence = True
            return True
        if self._after_fence and line.lstrip().startswith(_SOURCE):
            return True
        return self._after_fence and not line.strip()
