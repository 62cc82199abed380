"""The plain files of a tar archive, one after the other, of which nothing is believed.

`tarfile` follows what an archive says: it expands sparse members, and keeps headers of any size in memory. A backup has
plain files and, for long names, the extended headers of POSIX (pax) alone: anything else is refused where it begins.
"""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from openrag_cli.errors import InvalidInput, StoreDamaged

BLOCK_BYTES = 1 << 20
UNIT_BYTES = tarfile.BLOCKSIZE
MAX_HEADER_BYTES = 64 * 1024
_NOT_ONE = "openrag backup FILE makes one"


@dataclass(frozen=True, slots=True)
class Member:
    """A plain file of an archive: its name as it stands there, and how many bytes follow."""

    name: str
    size: int


class Members:
    """Reads an archive from front to back; `blocks` gives the content of the member that was yielded last."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._left = self._padding = 0
        self._n_seen = 0

    def __iter__(self) -> Iterator[Member]:
        """Yield the members. Raises: InvalidInput, for what no backup has; StoreDamaged, where it is cut short."""
        longer: dict[str, str] = {}
        while True:
            self._skip()
            header = self._exactly(UNIT_BYTES)
            if not header.strip(b"\0"):
                self._drain()
                return
            found = self._header(header)
            if found.type == tarfile.XHDTYPE:
                longer = self._extended(found.size)
                continue
            name, size = longer.get("path", found.name), int(longer.get("size", found.size))
            longer = {}
            self._left, self._padding = size, -size % UNIT_BYTES
            self._n_seen += 1
            yield Member(name, size)

    def blocks(self) -> Iterator[bytes]:
        """Yield the content of the member that was yielded last."""
        while self._left:
            block = self._source.read(min(BLOCK_BYTES, self._left))
            if not block:
                raise self._cut_short()
            self._left -= len(block)
            yield block

    def _header(self, header: bytes) -> tarfile.TarInfo:
        try:
            found = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        except tarfile.HeaderError as exc:
            if self._n_seen:
                raise self._cut_short() from exc
            raise InvalidInput("this is not a backup of openrag: it is no tar archive", hint=_NOT_ONE) from exc
        if found.type not in {tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.XHDTYPE} or found.size < 0:
            raise InvalidInput(
                f"this is not a backup: it holds {found.name[:200]!r}, which is no plain file", hint=_NOT_ONE
            )
        return found

    def _extended(self, size: int) -> dict[str, str]:
        """Return the records of an extended header: `<length> <key>=<value>` and a newline each (POSIX, pax)."""
        if size > MAX_HEADER_BYTES:
            raise InvalidInput("this is not a backup: a header in it is too large", hint=_NOT_ONE)
        text = self._exactly(size + -size % UNIT_BYTES)[:size]
        found: dict[str, str] = {}
        while text:
            digits, _, _ = text.partition(b" ")
            length = int(digits) if digits.isdigit() and len(digits) < 6 else 0
            key, mark, value = text[len(digits) + 1 : length - 1].partition(b"=")
            if length <= len(digits) or not mark or text[length - 1 : length] != b"\n":
                raise InvalidInput("this is not a backup: a header in it cannot be read", hint=_NOT_ONE)
            found[key.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
            text = text[length:]
        if any(key.startswith("GNU.sparse") for key in found) or not found.get("size", "0").isdecimal():
            raise InvalidInput("this is not a backup: it holds a file with gaps", hint=_NOT_ONE)
        return found

    def _skip(self) -> None:
        n_bytes, self._left, self._padding = self._left + self._padding, 0, 0
        if n_bytes and self._source.seekable():
            self._source.seek(n_bytes, 1)
            return
        while n_bytes:
            n_bytes -= len(self._exactly(min(BLOCK_BYTES, n_bytes)))

    def _exactly(self, n_bytes: int) -> bytes:
        pieces: list[bytes] = []
        while n_bytes:
            piece = self._source.read(n_bytes)
            if not piece:
                raise self._cut_short()
            pieces.append(piece)
            n_bytes -= len(piece)
        return b"".join(pieces)

    def _drain(self) -> None:
        """Read what fills the last record, so that a program at the other end of a pipe is not cut off."""
        for _ in range(64):
            if not self._source.read(UNIT_BYTES):
                return

    def _cut_short(self) -> StoreDamaged | InvalidInput:
        if self._n_seen:
            return StoreDamaged("the backup is cut short or damaged", hint="use another one")
        return InvalidInput("this is not a backup of openrag: it is empty or cut short", hint=_NOT_ONE)
