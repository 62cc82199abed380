"""Server-sent events as the HTML standard reads them: UTF-8 whatever the header says, a BOM at the head, CR, LF or CRLF.

Beyond it, `error:` as a field of its own (llama.cpp's server) is an event named `error`, and what the end of the stream
leaves without a blank line is read too; names have no case; an event of blanks keeps a connection alive and is none.
"""

import codecs
from dataclasses import dataclass, field

MAX_LINE_CHARS = 8 << 20


class LineTooLong(ValueError):
    """A line has no end within `MAX_LINE_CHARS`."""


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One event: its name (`message` unless it was named) and its data."""

    name: str
    data: str


@dataclass(slots=True)
class SseParser:
    """Feed it the bytes of a stream as they come; it returns the events that are whole by now."""

    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8-sig")("replace")
    )
    _held: list[str] = field(default_factory=list)
    """The line in hand, as it came."""
    _n_held: int = 0
    _has_return: bool = False
    _name: str = ""
    _data: list[str] = field(default_factory=list)
    _stray: list[str] = field(default_factory=list)

    @property
    def stray(self) -> str:
        """The first lines that were no field of an event: what a server sent that speaks something else."""
        return "\n".join(self._stray)

    def feed(self, block: bytes) -> list[SseEvent]:
        """Return the events that end in this block. Raises: LineTooLong."""
        return self._take(self._decoder.decode(block), is_last=False)

    def close(self) -> list[SseEvent]:
        """Return what is left at the end of the stream."""
        found = self._take(self._decoder.decode(b"", final=True), is_last=True)
        return found + self._dispatch()

    def _take(self, text: str, *, is_last: bool) -> list[SseEvent]:
        self._n_held += len(text)
        if self._n_held > MAX_LINE_CHARS:
            raise LineTooLong("a line without an end")
        self._held.append(text)
        if not is_last and "\n" not in text and "\r" not in text and not self._has_return:
            return []
        held = "".join(self._held)
        self._has_return = held.endswith("\r") and not is_last  # its LF may come with the next block
        lines = held[: len(held) - self._has_return].replace("\r\n", "\n").replace("\r", "\n").split("\n")
        rest = "" if is_last else lines.pop() + "\r" * self._has_return
        self._held, self._n_held = [rest], len(rest)
        return [event for line in lines for event in self._line(line)]

    def _line(self, line: str) -> list[SseEvent]:
        if not line:
            return self._dispatch()
        name, colon, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._name = value.strip().lower()
        elif name == "error" and colon:
            self._name = "error"
            self._data.append(value)
        elif name not in {"", "id", "retry"} and len(self._stray) < 1000:
            self._stray.append(line)
        return []

    def _dispatch(self) -> list[SseEvent]:
        name, data = self._name or "message", self._data
        self._name, self._data = "", []
        return [SseEvent(name, "\n".join(data))] if any(line.strip() for line in data) else []
