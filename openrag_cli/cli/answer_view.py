"""An answer as it streams: Markdown for a person, block by block; the bare text for a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, ClassVar

from openrag_cli.cli.snippet import MAX_PROSE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.live import Live
    from rich.markdown import Markdown
    from rich.segment import Segment

    from openrag_cli.cli.output import Output

FENCES = ("```", "~~~")


class AnswerView:
    """Shows pieces as they come; `close` shows what is left. On a terminal the block in progress is shown raw, then
    replaced by its rendering when it is whole (a blank line, or the end of code)."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._is_terminal = out.is_terminal
        self._held = ""
        self._live: Live | None = None
        self._console: Console | None = None
        self._has_text = False
        self._needs_gap = False

    @classmethod
    def of(cls, out: Output) -> AnswerView | None:
        """Return what shows an answer to a person; None where JSON is printed."""
        return None if out.is_json else cls(out)

    def waiting(self) -> AbstractContextManager[Callable[[str], None]]:
        """Return what shows, while nothing has come, what is waited for; see `Output.waiting`."""
        return self._out.waiting()

    def feed(self, text: str) -> None:
        """Show a piece."""
        self._has_text |= bool(text)
        if not self._is_terminal:
            self._out.piece(text)
            return
        self._held += text
        *blocks, self._held = _blocks(self._held)
        for block in blocks:
            self._settle(block)
        self._draw()

    def close(self) -> None:
        """Show the rest and end the line."""
        if self._is_terminal:
            self._settle(self._held)
            self._held = ""
        elif self._has_text:
            self._out.piece("\n")

    def _draw(self) -> None:
        from rich.live import Live
        from rich.text import Text

        if self._live is None and self._held.strip():
            self._part()
            self._live = Live(
                console=self._made(), transient=True, refresh_per_second=12, vertical_overflow="visible"
            )
            self._live.start()
        if self._live is not None:
            self._live.update(Text(self._held))

    def _settle(self, block: str) -> None:
        from rich.segment import SegmentLines

        if self._live is not None:
            self._live.update("")
            self._live.stop()
            self._live = None
        if block.strip():
            self._part()
            console = self._made()
            is_wide = any(line.lstrip().startswith((*FENCES, "|")) for line in block.splitlines())
            width = console.width if is_wide else min(console.width, MAX_PROSE_COLUMNS)
            lines = console.render_lines(_markdown(block), console.options.update(width=width), pad=False)
            console.print(SegmentLines(_trimmed(lines), new_lines=True), end="")
            self._needs_gap = True

    def _part(self) -> None:
        """Leave one line free after the block before."""
        if self._needs_gap:
            self._out.line()
            self._needs_gap = False

    def _made(self) -> Console:
        if self._console is None:
            self._console = self._out.console(sys.stdout)
        return self._console


def _markdown(text: str) -> Markdown:
    """Return Markdown to render; of a table every letter is shown, long words on several lines."""
    from rich.markdown import Markdown, TableElement
    from rich.table import Table

    class WholeTable(TableElement):
        """A table whose cells are never cut."""

        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            for shown in super().__rich_console__(console, options):
                if isinstance(shown, Table):
                    for column in shown.columns:
                        column.overflow = "fold"
                yield shown

    class WholeMarkdown(Markdown):
        """Markdown with such tables."""

        elements: ClassVar = {**Markdown.elements, "table_open": WholeTable}

    return WholeMarkdown(text, code_theme="ansi_dark", hyperlinks=False)


def _trimmed(lines: Sequence[list[Segment]]) -> list[list[Segment]]:
    """Return lines without what is blank at the end of each, and without blank ones before and after all of them."""
    kept: list[list[Segment]] = []
    for line in lines:
        while line and not line[-1].text.strip():
            line.pop()
        line[-1:] = [segment._replace(text=segment.text.rstrip()) for segment in line[-1:]]
        if line or kept:
            kept.append(line)
    while kept and not kept[-1]:
        kept.pop()
    return kept


def _blocks(text: str) -> list[str]:
    """Return the Markdown blocks that are whole, and at last the one that is not; code stays in one piece."""
    blocks: list[str] = []
    begin = 0
    at = 0
    fence = ""
    for line in text.splitlines(keepends=True):
        at += len(line)
        if not line.endswith("\n"):
            break
        mark = line.lstrip()[:3]
        if fence:
            fence = "" if mark == fence else fence
        elif mark in FENCES:
            fence = mark
        if not fence and (not line.strip() or mark in FENCES):
            blocks.append(text[begin:at])
            begin = at
    return [*blocks, text[begin:]]
