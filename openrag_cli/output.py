"""What a person or a pipe sees: data on stdout, everything else on stderr. The only module that imports rich."""

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TextIO

from openrag_cli import render
from openrag_cli.errors import OpenRAGError

BOLD, DIM, RED, GREEN, YELLOW, CYAN = "1", "2", "31", "32", "33", "36"
PLAIN_WIDTH = 100


class When(StrEnum):
    """When to colour."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its title, whether it is a number, and whether it may be cut to fit the screen."""

    title: str
    is_number: bool = False
    may_shrink: bool = False


class Output:
    """The two streams, and how this command was asked to use them."""

    def __init__(
        self, *, is_json: bool = False, is_quiet: bool = False, color: When = When.AUTO, no_color: bool = False
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
        return f"\x1b[{';'.join(styles)}m{text}\x1b[0m" if self.has_color(stream or sys.stdout) else text

    def has_color(self, stream: TextIO) -> bool:
        """Whether to colour: --color, then NO_COLOR, then whether it is a terminal."""
        if self._color is not When.AUTO:
            return self._color is When.ALWAYS
        return stream.isatty() and not self._no_color

    # --- stdout

    def json(self, value: render.Json) -> None:
        """Print one JSON object: indented for a person, on one line for a pipe."""
        print(json.dumps(value, ensure_ascii=False, indent=2 if self.is_terminal else None))

    def json_lines(self, values: Iterable[render.Json]) -> None:
        """Print JSON objects, one a line."""
        for value in values:
            print(json.dumps(value, ensure_ascii=False))

    def line(self, text: str = "") -> None:
        """Print a line of data."""
        print(text)

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Any]], *, empty: str) -> None:
        """Print rows: a table on a terminal, tab-separated values without a head otherwise; `empty` is a note."""
        if not rows:
            self.note(empty)
        elif self.is_terminal:
            self._rich_table(columns, rows)
        else:
            for row in rows:
                print("\t".join(str(cell).replace("\t", " ").replace("\n", " ") for cell in row))

    def _rich_table(self, columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> None:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold" if self.has_color(sys.stdout) else "")
        for column in columns:
            table.add_column(
                column.title,
                justify="right" if column.is_number else "left",
                no_wrap=True,
                overflow="ellipsis",
                ratio=1 if column.may_shrink else None,
            )
        for row in rows:
            table.add_row(*(Text(str(cell)) for cell in row))
        Console(no_color=not self.has_color(sys.stdout), highlight=False, markup=False).print(table)

    # --- stderr

    def note(self, text: str) -> None:
        """Print a message for a person, unless --quiet."""
        if not self.is_quiet:
            print(text, file=sys.stderr)

    def warn(self, text: str) -> None:
        """Print a message that --quiet does not silence."""
        print(text, file=sys.stderr)

    def hint(self, text: str | None) -> None:
        """Print what to do next."""
        if text:
            print(f"{self.styled('hint:', CYAN, stream=sys.stderr)} {text}", file=sys.stderr)

    def error(self, exc: OpenRAGError) -> None:
        """Print an error: JSON with --json, else what happened and the hint."""
        if self.is_json:
            print(json.dumps(render.error(exc), ensure_ascii=False), file=sys.stderr)
            return
        print(f"{self.styled('error:', BOLD, RED, stream=sys.stderr)} {exc.message}", file=sys.stderr)
        self.hint(exc.hint)

    @contextlib.contextmanager
    def progress(self, what: str) -> Iterator["Progress"]:
        """Show a bar on a terminal while the block runs; nothing elsewhere, with --quiet, or with --json."""
        if self.is_quiet or self.is_json or not sys.stderr.isatty():
            yield Progress(lambda **_: None)
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        console = Console(stderr=True, no_color=not self.has_color(sys.stderr))
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("files, {task.fields[chunks]:,} chunks, {task.fields[rate]:.0f} chunks/s"),
            TimeRemainingColumn(),
        )
        with Bar(*columns, console=console, transient=True, expand=True) as bar:
            task = bar.add_task(what, total=None, chunks=0, rate=0.0)
            yield Progress(lambda **changes: bar.update(task, **changes))


class Progress:
    """Counts what is done; `update` draws it."""

    def __init__(self, update: Callable[..., None]) -> None:
        import time

        self._update = update
        self._clock = time.monotonic
        self._began = self._clock()
        self._n_files = 0
        self._n_chunks = 0

    def expect(self, n_files: int) -> None:
        """Set the number of files to come."""
        self._began = self._clock()
        self._update(total=n_files)

    def advance(self, n_chunks: int) -> None:
        """Count one more file, of `n_chunks` chunks."""
        self._n_files += 1
        self._n_chunks += n_chunks
        rate = self._n_chunks / max(self._clock() - self._began, 0.001)
        self._update(completed=self._n_files, chunks=self._n_chunks, rate=rate)


def close_quietly() -> None:
    """After a closed pipe: point stdout nowhere, so that the interpreter's last flush does not complain."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    with contextlib.suppress(OSError, ValueError):
        os.dup2(devnull, sys.stdout.fileno())


def human_size(n_bytes: int) -> str:
    """Return a size for a person, in powers of 1024: 512 B, 1.5 KiB, 3.0 MiB."""
    size = float(n_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
