"""A pattern that is looked for in texts, each within a limit of time."""

import json
import os
import re
import selectors
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from openrag_cli.errors import InvalidInput, os_errors
from openrag_cli.matching.child import write_frame
from openrag_cli.matching.needs import NOTHING

LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class MatchingLine:
    """A line with a match: its number from 0, and the ends of each match in it, as offsets in the line."""

    number: int
    spans: tuple[tuple[int, int], ...]


class Matcher:
    """Looks for one pattern; a context manager, as it holds a process.

    A pattern is a regular expression of Python, or with `is_fixed` a text that is taken as it is. No match goes beyond
    a line. Once `should_stop`, asked ten times a second, says so, every text is as one that took too long.
    """

    def __init__(
        self,
        pattern: str,
        *,
        is_fixed: bool = False,
        ignores_case: bool = False,
        limit_s: float = 5.0,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._asked = {
            "pattern": pattern,
            "is_fixed": is_fixed,
            "flags": int(re.IGNORECASE) if ignores_case else 0,
        }
        self._limit_s = limit_s
        self.should_stop = should_stop
        self.needs: dict[str, Any] = NOTHING
        """What a text must hold to match; see `needs.py`."""
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def lines(self, text: str) -> list[MatchingLine] | None:
        """Return the lines of a text that match; None when its time is up, or the pattern needs too much memory.

        Raises:
            InvalidInput: the pattern is no regular expression.
        """
        if self.should_stop():
            return None
        if self._child is None:
            self._start()
        found = self._ask(text)
        if found is None:
            self._stop()
            return None
        return [MatchingLine(line, tuple(zip(ends[::2], ends[1::2], strict=True))) for line, *ends in found]

    def _start(self) -> None:
        with os_errors("starting the search for a pattern"):
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", "openrag_cli.matching.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        answer = self._ask(self._asked, limit_s=self._limit_s + 30)  # with the start of a process on a busy machine
        if answer is None:
            self._stop()
            raise InvalidInput("the pattern is too large", hint="give a simpler one, or plain text with -F")
        if "error" in answer:
            self._stop()
            raise InvalidInput(f"the pattern is no regular expression: {answer['error']}", hint="-F takes it as text")
        self.needs = answer["needs"]

    def _ask(self, value: Any, *, limit_s: float | None = None) -> Any:
        child = self._child
        if child is None or child.stdin is None or child.stdout is None:
            return None
        try:
            write_frame(child.stdin, value)  # type: ignore[arg-type]  # a buffered pipe is a BinaryIO
        except BrokenPipeError:
            return None
        deadline = time.monotonic() + (self._limit_s if limit_s is None else limit_s)
        head = self._read(child.stdout.fileno(), 8, deadline)
        body = self._read(child.stdout.fileno(), struct.unpack(">Q", head)[0], deadline) if head else None
        return None if body is None else json.loads(body)

    def _read(self, descriptor: int, n_bytes: int, deadline: float) -> bytes | None:
        """Return that many bytes; None when the time is up or the process has ended."""
        parts = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while len(parts) < n_bytes:
                left = deadline - time.monotonic()
                if left <= 0 or self.should_stop():
                    return None
                if not selector.select(min(left, LOOK_S)):
                    continue
                block = os.read(descriptor, n_bytes - len(parts))
                if not block:
                    return None
                parts += block
        return bytes(parts)

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.communicate()
