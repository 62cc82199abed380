"""What a person or a pipe sees: data on stdout, everything else on stderr.

All that is printed goes through here, so that a document tells nothing to a terminal: text for people is shown by
`for_terminal`, JSON by `for_json`; what a program reads from a pipe (`verbatim`, `names` with NUL bytes, `binary`) is left
alone there, and shown like all text on a terminal. Styles are marks that no text can hold until they are printed. The
only module that writes to the two streams, and that makes a console of rich.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
import sys
import traceback
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from openrag_cli.cli.log_lines import StderrHandler, TerminalFormatter
from openrag_cli.terminal import for_json, for_terminal, is_unicode, quoted_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType
    from rich.segment import Segment

    from openrag_cli.cli.progress import Progress
    from openrag_cli.contract.to_json import Json
    from openrag_cli.errors import OpenRAGError

_MARK = f"\x1b{os.urandom(8).hex()}"
_STYLE = re.compile(f"{_MARK}(\\[[0-9;]*m|\\]8;;[!-~]*\x1b\\\\)")
"""A style or a link in text that is to be printed: no document knows the number of this run."""

BOLD, DIM, RED, GREEN, YELLOW, CYAN = "1", "2", "31", "32", "33", "36"
PLAIN_WIDTH = 100
GAP = 2  # columns between those of a table
LEAST_WIDTH = 16  # to which a column may shrink


class ColorMode(StrEnum):
    """When to colour."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its title, whether it is a number, and what gives way on a narrow screen.

    Cells of a column that may shrink are cut in the middle, or where it is prose broken between words; an optional column
    is left out first, and last of those one that may shrink.
    """

    title: str
    is_number: bool = False
    may_shrink: bool = False
    is_optional: bool = False
    is_prose: bool = False

    @property
    def least(self) -> int:
        """The width to which it may shrink."""
        return 2 * LEAST_WIDTH if self.is_prose else LEAST_WIDTH


class Output:
    """The two streams, and how this command was asked to use them."""

    def __init__(
        self,
        *,
        is_json: bool = False,
        is_quiet: bool = False,
        color: ColorMode = ColorMode.AUTO,
        no_color: bool = False,
    ) -> None:
        self.is_json = is_json
        self.is_quiet = is_quiet
        self._color = color
        self._no_color = no_color

    @property
    def is_terminal(self) -> bool:
        """Whether a person sees stdout."""
        return sys.stdout.isatty()

    @property
    def width(self) -> int:
        """Columns of the terminal; 100 without one."""
        return shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns if self.is_terminal else PLAIN_WIDTH

    def styled(self, text: str, *styles: str, stream: TextIO | None = None) -> str:
        """Return `text` with ANSI styles, if colour is wanted on the stream (default: stdout)."""
        return f"{_MARK}[{';'.join(styles)}m{text}{_MARK}[0m" if self.has_color(stream or sys.stdout) else text

    def link(self, text: str, url: str | None) -> str:
        """Return `text` as a hyperlink (OSC 8) where a person's terminal shows styles."""
        if url is None or not (self.is_terminal and self.has_color(sys.stdout)):
            return text
        return f"{_MARK}]8;;{url}\x1b\\{text}{_MARK}]8;;\x1b\\"

    def has_color(self, stream: TextIO) -> bool:
        """Whether to colour: --color, then NO_COLOR, then whether it is a terminal."""
        if self._color is not ColorMode.AUTO:
            return self._color is ColorMode.ALWAYS
        return stream.isatty() and not self._no_color

    def time(self, moment: datetime) -> str:
        """Return a time: local and to the minute for a person, RFC 3339 in UTC for a pipe."""
        from openrag_cli.store.metadata import rfc3339

        return f"{moment.astimezone():%Y-%m-%d %H:%M}" if self.is_terminal else rfc3339(moment)

    # --- stdout

    def json(self, value: Json) -> None:
        """Print one JSON object: indented for a person, on one line for a pipe."""
        self._print(self.json_text(value, indent=2 if self.is_terminal else None))

    def json_lines(self, values: Iterable[Json]) -> None:
        """Print JSON objects, one a line."""
        for value in values:
            self._print(self.json_text(value))

    @staticmethod
    def json_text(value: Json, *, indent: int | None = None) -> str:
        """Return JSON as it is printed: with escapes for what a terminal would obey, and what stdout cannot hold."""
        return for_json(json.dumps(value, ensure_ascii=not is_unicode(sys.stdout), indent=indent))

    def line(self, text: str = "") -> None:
        """Print a line of text for people."""
        self._print(_shown(text))

    def piece(self, text: str) -> None:
        """Print a piece of text for people at once, without ending the line."""
        self._print(_shown(text), end="")
        self.flush()

    def verbatim(self, text: str) -> None:
        """Print text that a program may read: as it is into a pipe; on a terminal like any other."""
        text = _shown(text) if self.is_terminal else text
        self._print(text, end="" if text.endswith("\n") else "\n")

    def names(self, names: Iterable[str], *, is_null_separated: bool) -> None:
        """Print names, each on a line and quoted as git does where that is needed, or ended by a NUL byte as they are."""
        for name in names:
            if not is_null_separated:
                self._print(quoted_name(name))
            else:
                self._print(for_terminal(name) if self.is_terminal else name, end="\0")

    def binary(self, error: OpenRAGError) -> BinaryIO:
        """Return stdout for bytes. Raises: `error`, when it is a terminal."""
        if self.is_terminal:
            raise error
        return sys.stdout.buffer

    def flush(self) -> None:
        """Hand over at once what was printed, into a pipe too: somebody follows."""
        sys.stdout.flush()

    def console(self, stream: TextIO) -> Console:
        """Return a console of rich on one of the two streams, that shows all text as a terminal may see it."""
        from rich.console import Console
        from rich.theme import Theme

        class SafeConsole(Console):
            """A console that writes no control characters of others."""

            def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
                """Yield segments, made safe."""
                for segment in super().render(renderable, options):
                    is_ours = segment.control is not None
                    yield segment if is_ours else segment._replace(text=for_terminal(segment.text))

        theme = Theme({"markdown.code": "bold cyan"})  # on the terminal's own ground, light or dark
        return SafeConsole(
            file=stream, no_color=not self.has_color(stream), highlight=False, markup=False, theme=theme
        )

    @staticmethod
    def _print(text: str, *, end: str = "\n") -> None:
        print(text, end=end)

    @staticmethod
    def _tell(text: str) -> None:
        """Print on stderr; where that cannot be written nobody is told, and the work goes on."""
        with contextlib.suppress(OSError):
            print(text, file=sys.stderr)

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Any]], *, empty: str) -> None:
        """Print rows: a table on a terminal, tab-separated values without a head otherwise; `empty` is a note."""
        if not rows:
            self.note(empty)
        elif self.is_terminal:
            self._rich_table(columns, rows)
        else:
            for row in rows:
                self.line("\t".join(str(cell).replace("\t", " ").replace("\n", " ") for cell in row))

    def _rich_table(self, columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> None:
        from rich.table import Table
        from rich.text import Text

        cells = [[_one_line(cell) for cell in row] for row in rows]
        shown = _fitting(columns, cells, self.width)
        table = Table(
            box=None,
            pad_edge=False,
            padding=(0, GAP, 0, 0),
            header_style="bold" if self.has_color(sys.stdout) else "",
        )
        for at, size in shown.items():
            justify: JustifyMethod = "right" if columns[at].is_number else "left"
            table.add_column(columns[at].title, justify=justify, no_wrap=not columns[at].is_prose, width=size)
        for row in cells:
            table.add_row(*(Text(row[at] if columns[at].is_prose else _cut(row[at], shown[at])) for at in shown))
        # Without `soft_wrap`, rich would cut what _fitting could not make room for.
        self.console(sys.stdout).print(table, soft_wrap=True)

    # --- stderr

    def note(self, text: str) -> None:
        """Print a message for a person, unless --quiet."""
        if not self.is_quiet:
            self.warn(text)

    def outcome(self, body: Json, text: str) -> None:
        """Print what a command did: as JSON with --json, else as a note for a person."""
        if self.is_json:
            self.json(body)
        else:
            self.note(text)

    def record(self, body: Json, *lines: str) -> None:
        """Print what was asked for: as JSON with --json, else as lines for a person."""
        if self.is_json:
            self.json(body)
        else:
            self.line("\n".join(lines))

    def warn(self, text: str) -> None:
        """Print a message that --quiet does not silence; on a terminal, lines break between words."""
        text = _shown(text)
        if sys.stderr.isatty():
            width = shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns
            text = "\n".join(_wrapped(line, width) for line in text.split("\n"))
        self._tell(text)

    def traceback(self, exc: BaseException) -> None:
        """Print where an error comes from, for an engineer."""
        self._tell(_shown("".join(traceback.format_exception(exc)).rstrip()))

    def confirm(self, question: str) -> bool:
        """Ask on the terminal, and return whether the answer is yes. Raises: typer.Abort, at the end of input."""
        import typer

        return typer.confirm(_shown(question), err=True)

    def log(self, level: int | str) -> None:
        """Print log records from `level` on."""
        handler = StderrHandler()
        handler.setFormatter(TerminalFormatter("%(levelname)s %(name)s: %(message)s", warning="warning: %(message)s"))
        logging.basicConfig(level=level, handlers=[handler])

    def hint(self, text: str | None) -> None:
        """Print what to do next."""
        if text:
            self.warn(f"{self.styled('hint:', CYAN, stream=sys.stderr)} {text}")

    def error(self, exc: OpenRAGError) -> None:
        """Print an error: JSON with --json, else what happened and the hint."""
        if self.is_json:
            from openrag_cli.contract import to_json as render

            self._tell(for_json(json.dumps(render.error(exc), ensure_ascii=False)))
            return
        self.warn(f"{self.styled('error:', BOLD, RED, stream=sys.stderr)} {exc.message}")
        self.hint(exc.hint)

    @contextlib.contextmanager
    def progress(self, what: str) -> Iterator[Progress]:
        """Show a bar on a terminal while the block runs; nothing elsewhere, with --quiet, or with --json."""
        from openrag_cli.cli.progress import Progress, bar_of

        progress = Progress(what)
        if self.is_quiet or self.is_json or not sys.stderr.isatty():
            yield progress
            return
        with bar_of(progress, self.console(sys.stderr)) as bar:
            task = bar.add_task(what, total=None)
            progress.draw = lambda done, total: bar.update(task, completed=done, total=total, refresh=not done)
            yield progress

    @contextlib.contextmanager
    def waiting(self) -> Iterator[Callable[[str], None]]:
        """Give the block a function that shows what is waited for, beside a spinner on a terminal; an empty text ends it."""
        if self.is_quiet or self.is_json or not (sys.stderr.isatty() and self.is_terminal):
            yield lambda _: None
            return
        from rich.status import Status

        status = Status("", console=self.console(sys.stderr))

        def show(text: str) -> None:
            """Show what is being done; nothing hides it."""
            status.update(text)
            (status.start if text else status.stop)()

        try:
            yield show
        finally:
            status.stop()


def _shown(text: str) -> str:
    """Return text for people as it is printed: our own styles as the terminal takes them, all else by `for_terminal`."""
    plain, *styled = _STYLE.split(text)  # text, codes, text, codes, text ...
    shown = [for_terminal(plain)]
    for at in range(0, len(styled), 2):
        shown += [f"\x1b{styled[at]}", for_terminal(styled[at + 1])]
    return "".join(shown)


def _one_line(cell: Any) -> str:
    """Return what a cell shows: a count with commas, a text on one line."""
    if isinstance(cell, int) and not isinstance(cell, bool):
        return f"{cell:,}"
    return for_terminal(str(cell)).replace("\t", " ").replace("\n", " ")


def _fitting(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> dict[int, int]:
    """Return the width of each column that is shown, by its place."""
    from rich.cells import cell_len

    shown = {
        at: max(cell_len(column.title), *(cell_len(row[at]) for row in rows)) for at, column in enumerate(columns)
    }
    for at in sorted(range(len(columns)), key=lambda at: (columns[at].may_shrink, -at)):
        least = sum(min(size, columns[at].least) if columns[at].may_shrink else size for at, size in shown.items())
        if columns[at].is_optional and least + GAP * (len(shown) - 1) > width:
            del shown[at]
    shrinking = [at for at in shown if columns[at].may_shrink]
    room = width - GAP * (len(shown) - 1) - sum(size for at, size in shown.items() if at not in shrinking)
    while sum(shown[at] for at in shrinking) > room:
        wide = [at for at in shrinking if shown[at] > columns[at].least]
        if not wide:
            break
        shown[max(wide, key=shown.__getitem__)] -= 1
    return shown


def _cut(text: str, width: int) -> str:
    """Return a text with its middle left out where it is wider than `width` columns."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) <= width:
        return text
    n_tail = (width - 1) * 2 // 3  # the end of a path says more than its beginning
    return f"{set_cell_size(text, width - 1 - n_tail)}…{set_cell_size(text[::-1], n_tail)[::-1]}"


def _wrapped(line: str, width: int) -> str:
    """Return a line broken between words; its first word may be styled."""
    import textwrap

    word = line.partition(" ")[0]
    plain = re.sub(r"\x1b\[[\d;]*m", "", word)
    text = plain + line[len(word) :]
    if len(text) <= width:
        return line
    return word + textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)[len(plain) :]
