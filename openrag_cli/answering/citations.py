"""Marks such as [2] in an answer, found as the text streams by. What is no citation is left as it is.

A mark is a citation where prose has one: after a word or a sentence, never in code, JSON, tables or mathematics. There,
one that names nothing shown is taken out, and the forms that models use ([1, 3], [1-3], [^1], [Source 1], 【1】) are
written as [1][3]. Everywhere else the text is the model's own, letter by letter.
"""

import re
from dataclasses import dataclass, field

from openrag_cli.answering.words import ANNOUNCED_CHARS, announced

_WORD = (
    r"(?:sources?|passages?|docs?|documents?|refs?|references?|chunks?|citations?|cite|extracts?|excerpts?|extraits?"
    r"|quellen?|fuentes?|fontes?|fonti)[.:_]?[ \t]*(?:#|n[o\u00b0\u00ba]\.?[ \t]*)?"
)
_NUMBERS = rf"\d{{1,3}}(?:[ \t]*(?:[,;]|-|\u2013|and|&)[ \t]*\^?(?:{_WORD})?\d{{1,3}})*"
_WHERE = r"(?:[ \t]*[,:;][ \t]*(?:pp?\.|pages?|lines?|l\.|s\.)[ \t]*[\d\u2013-]{1,9})?"
_FULL_OPEN, _FULL_CLOSE = "\u3010\u3016\uff3b", "\u3011\u3017\uff3d"
_MARK = re.compile(
    rf"[ \t]*(?:\[[ \t]*(?P<note>\^?)(?P<word>{_WORD})?(?P<in>{_NUMBERS}){_WHERE}[ \t]*\]"
    rf"|\[\[[ \t]*(?P<double>{_NUMBERS})[ \t]*\]\]"
    rf"|[{_FULL_OPEN}][ \t]*(?:{_WORD})?(?P<full>{_NUMBERS})(?::\d{{1,3}})?(?:\u2020[^{_FULL_CLOSE}\n]{{0,60}})?[ \t]*"
    rf"[{_FULL_CLOSE}])",
    re.IGNORECASE,
)
_MAY_BECOME_MARK = re.compile(
    rf"[ \t]*(?:\[{{1,2}}[ \t]*\^?[a-z]{{0,10}}[.:_#\u00b0\u00ba \ta-z]{{0,6}}[\d \t,;:.&a-z\u2013^-]{{0,60}}\]{{0,2}}"
    rf"|[{_FULL_OPEN}][^{_FULL_CLOSE}\n]{{0,80}}[{_FULL_CLOSE}]?)?\Z",
    re.IGNORECASE,
)
_PLAIN = re.compile(rf"[^`~\[{_FULL_OPEN} \t\n\\$|{{}}<]+")
_CLOSERS = frozenset(".!?\u2026\u3002\uff01\uff1f\"'\u201d\u2019\u00bb%\u300d\u300f")
_JOINERS = frozenset("=:,({[<+/^&|\\#@~-\u2013")
_BETWEEN_MARKS = frozenset({",", ";", "/", "&", "-", "\u2013"})
_COMMAND = re.compile(r"\\[A-Za-z]+[ \t]*\Z")
_OPENS_MATH = re.compile(r"\$(?:[\\{(\[|]|[A-Za-z](?![A-Za-z0-9]))")
_OBJECT = re.compile(r"\s*\{\s*[\"'}]")
_MAY_BE_OBJECT = re.compile(r"\s*\{\s*")
_MATH_BLOCK = re.compile(r"\\begin\{(?:equ|ali|gat|mul|eqn|arr|cas|[pbvBV]?mat)")
_CODE_TAGS = ("code", "pre", "kbd", "samp", "script", "style", "math", "tt")
_INDENTED = re.compile(r"(?: {4}|\t)")
_LISTED = re.compile(r"\s*(?:[-*+\u2022]|\d{1,3}[.)])\s")
_MAX_PENDING = 120
_TAIL = ANNOUNCED_CHARS
_AHEAD = {"\\": len("\\begin{pmat"), "$": 3, "{": 2}
"""How many characters tell what such a one begins."""

_LINE = 24
"""How much of a line's beginning is looked at: whether it is indented, and an item of a list."""

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
    _tag: str = ""
    """The HTML element that holds code, while it is open."""
    _line: str = ""
    _is_in_list: bool = False
    _may_be_indented: bool = True
    """Whether a line that is indented is code: it follows a blank line, or another one of that code."""
    _math: str = ""
    _depth: int = 0
    """Of braces: JSON that stands in the text."""
    _has_begun: bool = False
    _is_table: bool = False
    _at_line_start: bool = True
    _is_blank_line: bool = False
    _since_mark: str | None = None
    """What was shown since the last mark, while it is short; None: no mark is near."""

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
        if not self._has_begun and held.strip():
            if not is_last and _MAY_BE_OBJECT.fullmatch(held):
                return ""
            self._has_begun = True
            self.is_verbatim = bool(_OBJECT.match(held))  # whatever brackets it has are its own
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
        if char in "`~" or self._ticks:
            self._count_ticks(char)
        if char == "<" and not (self._fence or self._ticks):
            return self._element(held, at, shown, is_last=is_last)
        is_code = bool(self._fence or self._ticks or self._tag or self._is_indented())
        if not (is_code or self._math or self._depth) and char in f" \t[{_FULL_OPEN}":
            end = self._bracket(held, at, shown, is_last=is_last)
            if end != at:
                return end
        if char in "\\${}" and not is_code:
            ahead = held[at : at + _AHEAD.get(char, 1)]
            if not is_last and len(ahead) < _AHEAD.get(char, 1) and _is_open(ahead):
                return None
            if ahead[:2] in {"\\\\", "\\$"}:  # escaped: it begins nothing
                shown.append(self._pass(ahead[:2]))
                return at + 2
            self._follow(ahead)
        shown.append(self._pass(char))
        return at + 1

    def _bracket(self, held: str, at: int, shown: list[str], *, is_last: bool) -> int | None:
        """Settle what may be a mark; return where it ends, `at` where it is none, None where more must come first."""
        if found := _MARK.match(held, at):
            after = held[found.end() : found.end() + 2]
            if not is_last and after in {"", " ", "."}:
                return None  # what follows tells a link or an index from a mark
            shown.append(self._marked(found, after))
            return found.end()
        may_become = not is_last and len(held) - at <= _MAX_PENDING and _MAY_BECOME_MARK.match(held, at)
        return None if may_become else at

    def _element(self, held: str, at: int, shown: list[str], *, is_last: bool) -> int | None:
        """Follow an HTML element that holds code; return where what is settled of it ends."""
        begun = held[at + 1 : at + 10].lower()
        wanted = [f"/{self._tag}"] if self._tag else list(_CODE_TAGS)
        if not is_last and any(name.startswith(begun) or (name == begun) for name in wanted):
            return None
        for name in wanted:
            if begun.startswith(name) and not begun[len(name) : len(name) + 1].isalnum():
                self._tag = "" if self._tag else name
                break
        shown.append(self._pass("<"))
        return at + 1

    def _is_indented(self) -> bool:
        """Whether the line is code because it is indented, which no item of a list is, nor what belongs to one."""
        is_so = self._may_be_indented and not self._is_in_list and _INDENTED.match(self._line) is not None
        return is_so and not _LISTED.match(self._line)

    def _end_line(self) -> None:
        is_blank = not self._line.strip()
        self._may_be_indented = is_blank or self._is_indented()
        if not is_blank:
            is_item = _LISTED.match(self._line) is not None
            self._is_in_list = is_item or (self._is_in_list and self._line[:1] in " \t")
        self._line = ""

    def _pass(self, text: str) -> str:
        """Show a text that holds no mark, and follow the lines: each may be a row of a table."""
        if text == "\n":
            self._end_line()
            if len(self._fence) < _MIN_FENCE:
                self._fence = ""  # code within a line ends with it: a lone backtick opens nothing
            if self._math == "$":
                self._math = ""
            if self._is_blank_line:
                self._depth = 0
            self._at_line_start, self._is_table, self._is_blank_line = True, False, True
        elif text.strip():
            self._at_line_start = self._is_blank_line = False
            self._is_table |= text == "|"
        if self._since_mark is not None:
            self._since_mark = (self._since_mark + text)[:_MIN_WORD]
        return self._show(text)

    def _count_ticks(self, char: str) -> None:
        """Follow runs of backticks, or of tildes where a line begins: one that opens code is closed by its like."""
        if char == "`" or (char == "~" and (self._ticks or self._at_line_start or self._fence.startswith("~"))):
            self._ticks += char
            return
        run, self._ticks = self._ticks, ""
        if not self._fence:
            self._fence = run if run.startswith("`") or len(run) >= _MIN_FENCE else ""
        elif self._fence == run:
            self._fence = ""

    def _follow(self, ahead: str) -> None:
        r"""Follow mathematics (\[ \], \( \), $$ $$, $ $, \begin{equation}) and the braces of JSON."""
        pair = ahead[:2]
        if self._math:
            is_end = ahead.startswith("\\end") if self._math == "\\end" else pair[: len(self._math)] == self._math
            self._math = "" if is_end else self._math
        elif ahead.startswith("{"):
            self._depth += bool(self._depth or self._at_line_start or pair in {'{"', "{'"})
        elif ahead.startswith("}"):
            self._depth = max(0, self._depth - 1)
        elif _MATH_BLOCK.match(ahead):
            self._math = "\\end"
        elif pair == "$$" or (pair in {"\\[", "\\("}):
            self._math = {"$$": "$$", "\\[": "\\]", "\\(": "\\)"}[pair]
        elif _OPENS_MATH.match(ahead):
            self._math = "$"

    def _show(self, text: str) -> str:
        self._n_shown += len(text)
        if text != "\n" and len(self._line) < _LINE:
            self._line = (self._line + text)[:_LINE]
        self._tail = (self._tail + text)[-_TAIL:] if len(text) < _TAIL else text[-_TAIL:]
        return text

    # --- is it a citation

    def _marked(self, found: "re.Match[str]", after: str) -> str:
        inside = found["in"] or found["double"] or found["full"]
        numbers = _numbers(inside)
        known = [number for number in numbers if 1 <= number <= self.n_passages]
        written = found[0]
        lead = written[: len(written) - len(written.lstrip(" \t"))]
        is_explicit = bool(found["full"] or found["word"] or found["note"])
        place = self._place(lead, after, is_explicit=is_explicit)
        if place != "none" and not (is_explicit or found["double"]):
            place = announced(self._tail + lead, after, is_many=len(numbers) > 1) or place
        is_range = any(sign in inside for sign in "-\u2013")
        if (
            place == "none"
            or 0 in numbers
            or (is_range and (len(known) < len(numbers) or numbers != sorted(numbers)))
        ):
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
        self._since_mark, self._at_line_start, self._is_blank_line = "", False, False
        return "".join(parts)

    def _beside(self, written: str, lead: str, numbers: list[int], known: list[int]) -> str:
        start = self._n_shown + len(lead)
        shown = self._pass(written)
        if known == numbers:
            self.marks += [Mark(number, start, self._n_shown) for number in known]
            self._since_mark = ""
        return shown

    def _place(self, lead: str, after: str, *, is_explicit: bool) -> str:
        """Return what the place says: a "citation", something "beside" prose that may be one, or "none"."""
        before = self._tail.rstrip(" \t")[-1:] if lead or self._tail else ""
        next_char = after[:1]
        is_name = next_char == "." and (after[1:].islower() or after[1:].isdigit())
        is_index = is_name or after == " =" or (next_char and (next_char in "({=_+" or next_char.isalnum()))
        if is_index or _COMMAND.search(self._tail):
            return "none"
        if self._is_table:
            return "beside" if before in {"|", ""} or lead else "none"
        since = None if self._since_mark is None else self._since_mark.strip()
        if since is not None and ((since == "" and not lead) or since in _BETWEEN_MARKS):
            return "citation"
        if self._at_line_start or not before or before == "\n":
            is_note = is_explicit and next_char != ":"
            return "citation" if is_note else "none" if next_char in {"", "\n", ",", ":"} else "beside"
        return self._place_in_line(before, lead, next_char, is_explicit=is_explicit)

    def _place_in_line(self, before: str, lead: str, after: str, *, is_explicit: bool) -> str:
        """Return what a place behind other text says."""
        if self._is_within(after):
            return "beside"
        if before in _JOINERS:
            return self._joined(before, lead, is_explicit=is_explicit)
        if lead or is_explicit or before in _CLOSERS or ord(before) > 0x2E80:  # CJK text has no blanks
            return "citation"
        return "beside" if self._tail[-_MIN_WORD:].isalpha() and len(self._tail) >= _MIN_WORD else "none"

    def _joined(self, before: str, lead: str, *, is_explicit: bool) -> str:
        """Return what a place behind a sign that joins says: a value behind its key is none."""
        if is_explicit and before != "\\":
            return "citation"
        is_key = self._tail.rstrip(" \t")[:-1].endswith(('"', "'"))
        return "beside" if before == ":" and lead and not is_key else "none"

    def _is_within(self, after: str) -> bool:
        """Whether a mark stands in parentheses, in bold type or raised, where these stand behind prose."""
        tail = self._tail
        if after == "*" and tail.endswith("*"):
            return tail.rstrip("*")[-1:].isspace()
        if tail.endswith("<sup>"):
            return True
        return after in {")", ",", ";", "["} and tail.endswith("(") and not (tail[-2:-1].isalnum() or tail == "(")


def _is_open(ahead: str) -> bool:
    """Whether what has come may still become what begins mathematics or JSON."""
    return (
        not ahead.startswith("\\")
        or ahead.startswith("\\begin{")
        or "\\begin{".startswith(ahead)
        or "\\end".startswith(ahead)
    )


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
