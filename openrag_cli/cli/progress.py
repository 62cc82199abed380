"""Progress that is true: what is scanned, read and embedded, what is slow, and how long the rest will take."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from openrag_cli.contract.to_json import counted
from openrag_cli.ingest.report import Begun, Embedded, Looked, Read, TaskDone, Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console, RenderableType
    from rich.progress import Progress as Bar

    from openrag_cli.ingest.report import Progressed

SLOW_S = 3.0
"""A document that is read for longer than this is named."""

LEAST_SHARE = 0.02
"""Before so much is done, no time left is told."""


@dataclass(slots=True)
class Forecast:
    """How much is done and how long the rest will take, from the events of indexing and their times in seconds.

    What a file that was not read yet will come to is told by the bytes and chunks of those that were.
    """

    n_files: int = 0
    n_bytes: int = 0
    n_done: int = 0
    n_embedded: int = 0
    n_known: int = 0
    n_read: int = 0
    n_bytes_read: int = 0
    began: float | None = None
    reading: dict[str, tuple[str, float]] = field(default_factory=dict)
    _sizes: dict[str, int] = field(default_factory=dict)
    _first: tuple[float, int] | None = None

    def take(self, event: Work | Begun | Read | Embedded | TaskDone, at: float) -> None:
        """Count an event that came at a time."""
        if isinstance(event, Work):
            self.n_files, self.n_bytes = self.n_done + event.n_files, self.n_bytes_read + event.n_bytes
            self.began = at if self.began is None else self.began
        elif isinstance(event, Begun):
            self.reading[event.task.id] = (event.task.upload.file_id, at)
        elif isinstance(event, Read):
            self._count_read(event.task.id, event.task.upload.size)
            self.n_known += event.n_chunks
        elif isinstance(event, Embedded):
            self.n_embedded += event.n_chunks
            self._first = self._first or (at, self.n_embedded)
        else:
            self._end(event)

    def _count_read(self, task_id: str, n_bytes: int) -> None:
        if task_id not in self._sizes:
            self._sizes[task_id] = n_bytes
            self.n_read += 1
            self.n_bytes_read += n_bytes
        self.reading.pop(task_id, None)

    def _end(self, done: TaskDone) -> None:
        self.n_done += 1
        self._count_read(done.task.id, done.task.upload.size)

    @property
    def n_expected(self) -> float:
        """How many chunks there will be in all, as far as can be told."""
        left = max(0, self.n_bytes - self.n_bytes_read)
        if not left or not self.n_bytes_read:
            n_files_left = max(0, self.n_files - self.n_read)
            return self.n_known + n_files_left * (self.n_known / self.n_read if self.n_read else 1.0)
        return self.n_known + left * self.n_known / self.n_bytes_read

    @property
    def share(self) -> float:
        """How much is done, 0 to 1."""
        expected = self.n_expected
        return min(1.0, self.n_embedded / expected) if expected and self.n_embedded else 0.0

    def seconds_left(self, at: float) -> float | None:
        """Return how long the rest will take, told at a time; None as long as nothing can be told."""
        if self.began is None or self._first is None or self.share < LEAST_SHARE:
            return None
        overall = (at - self.began) * (1 - self.share) / self.share
        since, n_before = self._first
        if self.n_embedded == n_before:
            return overall
        lately = (self.n_expected - self.n_embedded) * (at - since) / (self.n_embedded - n_before)
        return (overall + lately) / 2  # the former has the start of converters and model in it, the latter too little

    def slow(self, at: float) -> str | None:
        """Return the id of the document that has been read for the longest time, if that is long."""
        oldest = min(self.reading.values(), key=lambda entry: entry[1], default=None)
        return oldest[0] if oldest and at - oldest[1] >= SLOW_S else None


def _nothing(_done: float, _total: float | None) -> None:
    """Draw nothing: nobody looks."""


class Progress:
    """Counts what is done; `draw` is told how much of how much it is, None where that is not known."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._forecast = Forecast()
        self._n_looked = self._n_expected = 0
        self.draw: Callable[[float, float | None], None] = _nothing

    def scan(self, n_files: int) -> None:
        """Say that so many files are looked at."""
        self.expect(n_files, f"scanning {counted(n_files, 'file')}")

    def look(self) -> None:
        """Count one more file that was looked at, or a question that was asked."""
        self._n_looked += 1
        self.draw(self._n_looked, self._n_expected or None)

    def expect(self, n: int, what: str = "indexing") -> None:
        """Say that so many files, or questions, are to come."""
        self._what, self._n_expected, self._n_looked = what, n, 0
        self.draw(0, n or None)

    def take(self, event: Progressed) -> None:
        """Count an event of indexing."""
        if isinstance(event, Looked):
            self._look_at(event)
            return
        forecast = self._forecast
        forecast.take(event, time.monotonic())
        if forecast.n_embedded:
            self.draw(forecast.n_embedded, max(forecast.n_expected, forecast.n_embedded))
        elif forecast.n_done:  # a server tells of files alone
            self.draw(forecast.n_done, max(self._n_expected, forecast.n_done))

    def _look_at(self, looked: Looked) -> None:
        if looked.n_changed is None:
            self._what = f"scanning {counted(looked.n_files, 'file')}"
        else:
            self._what = f"reading {looked.n_files:,} of {counted(looked.n_changed, 'file')}"
        self.draw(looked.n_files, looked.n_changed)

    def text(self) -> str:
        """Return what is being done, and which document takes long."""
        forecast = self._forecast
        slow = forecast.slow(time.monotonic())
        named = f", reading {slow}" if slow else ""
        if not (forecast.n_known or forecast.n_done):
            return f"{self._what}{named}"
        n_files = max(forecast.n_files, self._n_expected)
        chunks = f", {forecast.n_embedded:,} of about {forecast.n_expected:,.0f} chunks" if forecast.n_known else ""
        return f"{self._what} {forecast.n_done:,} of {n_files:,} files{chunks}{named}"

    def left(self) -> str:
        """Return how long the rest will take; nothing where that cannot be told."""
        seconds = self._forecast.seconds_left(time.monotonic())
        if seconds is None:
            return ""
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{rest:02} left" if minutes >= 60 else f"{minutes}:{rest:02} left"


def bar_of(progress: Progress, console: Console) -> Bar:
    """Return a bar with what `progress` tells, which leaves room for the "^C" that a terminal writes behind it.

    Where that began a new line, the bar would not find its beginning again.
    """
    from rich.constrain import Constrain
    from rich.progress import BarColumn, ProgressColumn, SpinnerColumn
    from rich.progress import Progress as Bar
    from rich.text import Text

    class Told(ProgressColumn):
        """What a part of the line says now."""

        def __init__(self, tell: Callable[[], str]) -> None:
            super().__init__()
            self._tell = tell

        def render(self, _: object) -> Text:
            """Return its text."""
            return Text(self._tell())

    class NarrowBar(Bar):
        """A bar that does not fill the line."""

        def get_renderable(self) -> RenderableType:
            """Return what is drawn."""
            return Constrain(super().get_renderable(), console.width - len(" ^C"))

    columns = (SpinnerColumn(), Told(progress.text), BarColumn(bar_width=None), Told(progress.left))
    return NarrowBar(*columns, console=console, transient=True, expand=True)
