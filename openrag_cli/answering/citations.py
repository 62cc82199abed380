"""Marks such as [2] in an answer, checked as the text streams by: one that names nothing shown is taken out."""

import re
from dataclasses import dataclass, field

_MARK = re.compile(r"[ \t]*\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\](?!\()")
_MAY_BECOME_MARK = re.compile(r"[ \t]*(?:\[(?:\d{1,3}(?:\s*[,;]\s*\d{0,3})*\s*)?\]?)?")
_MAX_PENDING = 80
_MIN_FENCE = 3


@dataclass(frozen=True, slots=True)
class Mark:
    """A checked mark: passage `number` is named by characters `start` to `end` of the answer."""

    number: int
    start: int
    end: int


@dataclass(slots=True)
class CitationFilter:
    """Reads an answer piece by piece; `feed` and `close` return what may be shown. Code is left as it is.

    `[1, 3]` becomes `[1][3]`. `unknown` collects the numbers that were taken out, in order.
    """

    n_passages: int
    marks: list[Mark] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    _held: str = ""
    _n_shown: int = 0
    _fence: str = ""
    _ticks: str = ""

    def feed(self, text: str) -> str:
        """Take in a piece of the answer and return what is settled by now."""
        self._held += text
        return self._settle(is_last=False)

    def quote(self, text: str, number: int) -> str:
        """Return a quotation as it is, brackets of its own included, with the mark of its passage."""
        shown = self._show(f"{text} ")
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
        shown: list[str] = []
        at = 0
        held = self._held
        while at < len(held):
            char = held[at]
            if char == "`" or self._ticks:
                self._count_ticks(char)
            if char == "\n" and len(self._fence) < _MIN_FENCE:
                self._fence = ""  # code within a line ends with it: a lone backtick opens nothing
            if self._fence or self._ticks or char not in " \t[":
                end = at + 1
                shown.append(self._show(char))
            elif found := _MARK.match(held, at):
                if not is_last and found.end() == len(held):
                    break  # a "(" may follow: then it is a link
                end = found.end()
                shown.append(self._replace(found))
            elif not is_last and _is_unsettled(held, at):
                break
            else:
                end = at + 1
                shown.append(self._show(char))
            at = end
        self._held = held[at:]
        return "".join(shown)

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

    def _show(self, text: str) -> str:
        self._n_shown += len(text)
        return text

    def _replace(self, found: "re.Match[str]") -> str:
        lead = found[0][: found[0].index("[")]
        parts: list[str] = []
        for digits in re.findall(r"\d+", found[1]):
            number = int(digits)
            if not 1 <= number <= self.n_passages:
                self.unknown.append(number)
                continue
            if not parts:
                parts.append(self._show(lead))
            start = self._n_shown
            parts.append(self._show(f"[{number}]"))
            self.marks.append(Mark(number, start, self._n_shown))
        return "".join(parts)


def _is_unsettled(held: str, at: int) -> bool:
    rest = held[at:]
    found = _MAY_BECOME_MARK.match(rest)
    return found is not None and found.end() == len(rest) and len(rest) <= _MAX_PENDING
