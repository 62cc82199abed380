"""Marks such as [2] in an answer, found as the text streams by. What is no citation is left as it is.

A mark is a citation where prose has one: after a word or a sentence, never in code, JSON, tables or mathematics. There,
one that names nothing shown is taken out, and the forms that models use ([1, 3], [1-3], [^1], [Source 1], 【1】) are
written as [1][3]. Everywhere else the text is the model's own, letter by letter.
"""

import re
from dataclasses import dataclass, field

_NUMBERS = r"\d{1,3}(?:\s*(?:[,;]|-|\u2013|and|&)\s*\^?(?:(?:source|passage)s?\s*)?\d{1,3})*"
_MARK = re.compile(
    rf"[ \t]*(?:\[\s*(?P<note>\^?)(?P<word>(?:sources?|passages?|docs?|documents?|refs?)\s*:?\s*)?(?P<in>{_NUMBERS})\s*\]"
    rf"|\u3010\s*(?P<fullword>(?:source|passage)\s*)?(?P<full>{_NUMBERS})(?:\u2020[^\u3011\n]{{0,60}})?\s*\u3011)",
    re.IGNORECASE,
)
_MAY_BECOME_MARK = re.compile(
    r"[ \t]*(?:\[\s*\^?[a-z]{0,9}\s*:?\s*[\d\s,;&a-z\u2013^-]{0,60}\]?|\u3010[^\u3011\n]{0,80}\u3011?)?\Z",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"[^`\[\u3010 \t\n\\$|]+")
_CLOSERS = frozenset(".!?\u2026\u3002\uff01\uff1f\"'\u201d\u2019\u00bb%\u300d\u300f")
_JOINERS = frozenset("=:,({[<+/^&|\\#@~-\u2013")
_MAX_PENDING = 120
_MIN_FENCE = 3
_MIN_WORD = 3


@dataclass(frozen=True, slots=True)
class Mark:
    """A checked mark: passage `number` is named by characters `start` to `end` of the answer.

    `is_supported` is false where the passage shares no word with the sentence that cites it.
    """

    number: int
    start: int
    end: int
    is_supported: bool = True


@dataclass(slots=True)
class CitationFilter:
    """Reads an answer piece by piece; `feed` and `close` return what may be shown, in linear time.

    `unknown` collects the numbers that were taken out, in order. With `is_verbatim` nothing is read as a mark: where
    nothing was retrieved, or JSON was asked for.
    """

    n_passages: int
    is_verbatim: bool = False
    marks: list[Mark] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    _held: str = ""
    _n_shown: int = 0
    _tail: str = ""
    """The last characters shown: what a mark stands after."""
    _fence: str = ""
    _ticks: str = ""
    _math: str = ""
    _is_table: bool = False
    _at_line_start: bool = True
    _after_mark: bool = False

    def __post_init__(self) -> None:
        self.is_verbatim = self.is_verbatim or self.n_passages == 0

    def feed(self, text: str) -> str:
        """Take in a piece of the answer and return what is settled by now."""
        if self.is_verbatim:
            return self._show(text)
        self._held += text
        return self._settle(is_last=False)

    def quote(self, text: str, number: int) -> str:
        """Return a quotation as it is, brackets of its own included, with the mark of its passage."""
        shown = self._show(text if text.endswith("\n") else f"{text} ")
        start = self._n_shown
        shown += self._show(f"[{number}]")
        self.marks.append(Mark(number, start, self._n_shown))
        return shown

    def close(self) -> str:
        """Return the rest."""
        return self._settle(is_last=True)

    @property
    def cited(self) -> list[int]:
        """The passages named, each once, in the order of their first mark."""
        return list(dict.fromkeys(mark.number for mark in self.marks))

    def _settle(self, *, is_last: bool) -> str:
        held, at = self._held, 0
        shown: list[str] = []
        if self._n_shown == 0 and held.lstrip().startswith("{"):
            self.is_verbatim = True  # an object: whatever brackets it has are its own
        if self.is_verbatim:
            self._held = ""
            return self._show(held)
        while at < len(held):
            end = self._step(held, at, shown, is_last=is_last)
            if end is None:
                break
            at = end
        self._held = held[at:]
        return "".join(shown)

    def _step(self, held: str, at: int, shown: list[str], *, is_last: bool) -> int | None:
        """Settle what stands at `at`; return where it ends, None where more must come first."""
        char = held[at]
        plain = _PLAIN.match(held, at)
        if plain and not self._ticks:
            shown.append(self._pass(plain[0]))
            return plain.end()
        if char == "`" or self._ticks:
            self._count_ticks(char)
        is_apart = bool(self._fence or self._ticks or self._math)
        if not is_apart and char in " \t[\u3010":
            if found := _MARK.match(held, at):
                if found.end() == len(held) and not is_last:
                    return None  # what follows tells a link or an index from a mark
                shown.append(self._marked(found, held[found.end() : found.end() + 1]))
                return found.end()
            if not is_last and len(held) - at <= _MAX_PENDING and _MAY_BECOME_MARK.match(held, at):
                return None
        if char in "\\$" and not (self._fence or self._ticks):
            if at + 1 == len(held) and not is_last:
                return None
            self._follow_math(held[at : at + 2])
        shown.append(self._pass(char))
        return at + 1

    def _pass(self, text: str) -> str:
        """Show a text that holds no mark, and follow the lines: each may be a row of a table."""
        if text == "\n":
            if len(self._fence) < _MIN_FENCE:
                self._fence = ""  # code within a line ends with it: a lone backtick opens nothing
            self._at_line_start, self._is_table = True, False
        elif self._at_line_start and text.strip():
            self._at_line_start = False
            self._is_table = text.lstrip().startswith("|")
        if text.strip():
            self._after_mark = False
        return self._show(text)

    def _count_ticks(self, char: str) -> None:
        """Follow runs of backticks: one that opens code is closed by a run of the same length."""
        if char == "`":
            self._ticks += char
            return
        run, self._ticks = self._ticks, ""
        if not self._fence:
            self._fence = run
        elif self._fence == run:
            self._fence = ""

    def _follow_math(self, pair: str) -> None:
        r"""Follow displayed and inline mathematics: \[ \], \( \), $$ $$."""
        if self._math:
            self._math = "" if pair == self._math else self._math
        else:
            self._math = {"\\[": "\\]", "\\(": "\\)", "$$": "$$"}.get(pair, "")
            if pair == "$$":
                self._math = "$$"

    def _show(self, text: str) -> str:
        self._n_shown += len(text)
        self._tail = (self._tail + text)[-8:] if len(text) < 8 else text[-8:]
        return text

    # --- is it a citation

    def _marked(self, found: "re.Match[str]", after: str) -> str:
        numbers = _numbers(found["in"] or found["full"])
        known = [number for number in numbers if 1 <= number <= self.n_passages]
        written = found[0]
        lead = written[: len(written) - len(written.lstrip(" \t"))]
        is_explicit = bool(found["full"] or found["word"] or found["note"])
        place = self._place(lead, after, is_explicit=is_explicit)
        is_range = any(sign in (found["in"] or found["full"]) for sign in "-\u2013")
        if place == "none" or (is_range and len(known) < len(numbers)):
            return self._pass(written)
        if place == "beside":  # counted where it names a passage, and left as it is
            return self._beside(written, lead, numbers, known)
        self.unknown += [number for number in numbers if number not in known]
        parts: list[str] = []
        for number in known:
            parts.append(self._show(lead if not parts else ""))
            start = self._n_shown
            parts.append(self._show(f"[{number}]"))
            self.marks.append(Mark(number, start, self._n_shown))
        self._after_mark, self._at_line_start = True, False
        return "".join(parts)

    def _beside(self, written: str, lead: str, numbers: list[int], known: list[int]) -> str:
        start = self._n_shown + len(lead)
        shown = self._pass(written)
        if known == numbers:
            self.marks += [Mark(number, start, self._n_shown) for number in known]
            self._after_mark = True
        return shown

    def _place(self, lead: str, after: str, *, is_explicit: bool) -> str:
        """Return what the place says: a "citation", something "beside" prose that may be one, or "none"."""
        before = self._tail.rstrip(" \t")[-1:] if lead or self._tail else ""
        if after and (after in "({=_" or after.isalnum()):
            return "none"
        if self._is_table:
            return "beside" if before in {"|", ""} or lead else "none"
        if self._after_mark and not lead:
            return "citation"
        if self._at_line_start or not before or before == "\n":
            return "citation" if is_explicit else "none" if after in {"", "\n", ",", ":"} else "beside"
        if before in _JOINERS:
            return "citation" if is_explicit and before != "\\" else "beside" if before == ":" and lead else "none"
        if lead or is_explicit or before in _CLOSERS or ord(before) > 0x2E80:  # CJK text has no blanks
            return "citation"
        return "beside" if self._tail[-_MIN_WORD:].isalpha() and len(self._tail) >= _MIN_WORD else "none"


def without_marks(text: str) -> str:
    """Return an answer without its marks: of an earlier one, whose passages are not shown any more."""
    found = CitationFilter(n_passages=999)
    shown = found.feed(text) + found.close()
    for mark in reversed(found.marks):
        if shown[mark.start : mark.end] == f"[{mark.number}]":
            shown = shown[: mark.start].rstrip(" ") + shown[mark.end :]
    return shown


def _numbers(text: str) -> list[int]:
    """Return the numbers of a mark in order, ranges of up to 20 spelt out."""
    found: list[int] = []
    for first, last in re.findall(r"(\d+)(?:\s*[-\u2013]\s*\^?(?:[a-z]+\s*)?(\d+))?", text, re.IGNORECASE):
        low, high = int(first), int(last or first)
        found += range(low, high + 1) if low <= high <= low + 20 else [low, high]
    return found
