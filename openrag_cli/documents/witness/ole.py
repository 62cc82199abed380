"""The texts of OLE documents (XLS, MSG) by other means than their readers': see `texts.py`."""

import contextlib
import io
import struct
from collections.abc import Iterator
from typing import Any

from openrag_cli.documents.readers.base import Source

_SST, _CONTINUE = 0x00FC, 0x003C  # [MS-XLS] 2.4.265, 2.4.58: the strings of a workbook, each once
_IS_WIDE, _HAS_PHONETIC, _HAS_RUNS = 1, 4, 8
_BODY_STREAMS = ("__substg1.0_0037001F", "__substg1.0_1000001F")  # subject, plain body


def workbook_strings(source: Source) -> Iterator[str]:
    """Yield the strings of a workbook of Excel 97 to 2003; those of older ones are within its cells."""
    from xlrd.compdoc import CompDoc, CompDocError

    with contextlib.suppress(OSError, CompDocError, AssertionError, IndexError, struct.error):
        document = CompDoc(source.path.read_bytes(), logfile=io.StringIO())
        yield from _strings(_records(document.get_named_stream("Workbook") or b""))


def message_texts(source: Source) -> Iterator[str]:
    """Yield the subject and the plain body of an Outlook message."""
    for name in _BODY_STREAMS:
        with _stream(source, name) as content:
            yield content.decode("utf-16-le", "replace")


@contextlib.contextmanager
def _stream(source: Source, name: str) -> Iterator[bytes]:
    """Open a stream of an OLE file; one that is not there is empty."""
    import olefile

    content = b""
    with contextlib.suppress(OSError), olefile.OleFileIO(source.path) as ole:
        if ole.exists(name):
            content = bytes(ole.openstream(name).read())
    yield content


def _records(content: bytes) -> list[bytes]:
    """Return the pieces of the table of strings."""
    pieces: list[bytes] = []
    at, is_within = 0, False
    while at + 4 <= len(content):
        kind, size = struct.unpack_from("<HH", content, at)
        is_within = kind == _SST or (is_within and kind == _CONTINUE)
        if is_within:
            pieces.append(content[at + 4 : at + 4 + size])
        elif pieces:
            break
        at += 4 + size
    return pieces


class _Pieces:
    """Reads on from one piece to the next."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces
        self._number = 0
        self._at = 8  # after the two counts

    def numbers(self, form: str) -> tuple[Any, ...]:
        """Return numbers; none of them is parted."""
        if self._at >= len(self._pieces[self._number]):
            self._number, self._at = self._number + 1, 0
        found = struct.unpack_from(form, self._pieces[self._number], self._at)
        self._at += struct.calcsize(form)
        return found

    def skip(self, n_bytes: int) -> None:
        """Leave out bytes, over the ends of pieces."""
        self._at += n_bytes
        while self._number + 1 < len(self._pieces) and self._at > len(self._pieces[self._number]):
            self._at -= len(self._pieces[self._number])
            self._number += 1

    def text(self, n_chars: int, *, is_wide: bool) -> str:
        """Return characters; where a piece ends among them, the next says anew how wide they are."""
        found = ""
        while len(found) < n_chars:
            piece = self._pieces[self._number]
            if self._at >= len(piece):
                self._number, self._at = self._number + 1, 0
                is_wide = bool(self.numbers("<B")[0] & _IS_WIDE)
                continue
            width = 2 if is_wide else 1
            end = min(len(piece), self._at + width * (n_chars - len(found)))
            part = piece[self._at : end].decode("utf-16-le" if is_wide else "latin-1", "replace")
            found, self._at = found + (part or " "), end
        return found


def _strings(pieces: list[bytes]) -> Iterator[str]:
    if not pieces:
        return
    reader = _Pieces(pieces)
    with contextlib.suppress(struct.error, IndexError):  # cut
        n_strings = struct.unpack_from("<I", pieces[0], 4)[0]
        for _ in range(n_strings):
            n_chars, flags = reader.numbers("<HB")
            n_runs = reader.numbers("<H")[0] if flags & _HAS_RUNS else 0
            n_phonetic = reader.numbers("<I")[0] if flags & _HAS_PHONETIC else 0
            yield reader.text(n_chars, is_wide=bool(flags & _IS_WIDE))
            reader.skip(4 * n_runs + n_phonetic)
