"""Server-sent events as the HTML standard reads them: UTF-8 whatever the header says, a BOM at the head, CR, LF or CRLF.

Beyond it, `error:` as a field of its own (llama.cpp's server) is an event named `error`, and what the end of the stream
leaves without a blank line is read too.
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
    _held: str = ""
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
        held = self._held + text
        tail = ""
        if held.endswith("\r") and not is_last:  # its LF may come with the next block
            held, tail = held[:-1], "\r"
        lines = held.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._held = "" if is_last else lines.pop() + tail
        if len(self._held) > MAX_LINE_CHARS:
            raise LineTooLong("a line without an end")
        return [event for line in lines for event in self._line(line)]

    def _line(self, line: str) -> list[SseEvent]:
        if not line:
            return self._dispatch()
        name, colon, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._name = value
        elif name == "error" and colon:
            self._name = "error"
            self._data.append(value)
        elif name not in {"", "id", "retry"} and len(self._stray) < 1000:
            self._stray.append(line)
        return []

    def _dispatch(self) -> list[SseEvent]:
        name, data = self._name or "message", self._data
        self._name, self._data = "", []
        return [SseEvent(name, "\n".join(data))] if data else []
