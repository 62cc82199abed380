"""How often words stand in many rows: bytes are compared as integers, and no string is made of a row."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import numpy as np

HEAD_WORDS = 12
"""Words that a row begins with: the headings above a chunk, the head of its table, or its first line."""

_STEP = 8
"""Bytes that are compared at once."""


class WordTable:
    """The words of rows, a blank between two: the bytes (uint8) of all, and where each begins and the last ends."""

    def __init__(self, letters: "np.ndarray", ends: "np.ndarray") -> None:
        import numpy as np

        is_blank = letters == ord(" ")
        begins = np.zeros(len(letters) + 1, dtype=bool)
        begins[1:] = is_blank
        begins[ends] = True
        begins[-1] = False
        starts = np.flatnonzero(begins)
        stops = np.append(starts[1:], len(letters))[: len(starts)]
        self._starts, self._sizes = starts, stops - starts - is_blank[stops - 1]
        # Every place of the bytes as the integer that begins there.
        padded = np.concatenate([letters, np.zeros(_STEP, dtype=np.uint8)])
        self._integers = np.ndarray(len(letters) + 1, np.dtype("<u8"), padded, strides=(1,))
        self._heads = self._integers[starts] & _masks()[np.minimum(self._sizes, _STEP)]
        self._ends = ends
        self._counted: dict[str, np.ndarray] = {}
        self._headed: dict[str, np.ndarray] = {}
        self._firsts = np.searchsorted(starts, ends)
        self.n_words = np.diff(self._firsts)
        """How many words each row has, int64[n]."""

    @classmethod
    def of(cls, rows: Sequence[str]) -> Self:
        """Return the table of such rows."""
        import numpy as np

        encoded = [row.encode() for row in rows]
        ends = np.cumsum([0, *map(len, encoded)])
        return cls(np.frombuffer(b"".join(encoded), dtype=np.uint8), ends)

    def counts(self, asked: Iterable[str]) -> "dict[str, np.ndarray]":
        """Return for each of the words how often it stands in each row, int64[n]."""
        return {word: self._looked_up(word)[0] for word in asked}

    def headed(self, asked: Iterable[str]) -> "dict[str, np.ndarray]":
        """Return for each of the words whether it is among the first `HEAD_WORDS` of each row, bool[n]."""
        return {word: self._looked_up(word)[1] for word in asked}

    def _looked_up(self, word: str) -> "tuple[np.ndarray, np.ndarray]":
        import numpy as np

        if word not in self._counted:
            places = self._places(word.encode())
            rows = np.searchsorted(self._ends, self._starts[places], side="right") - 1
            heads = rows[places - self._firsts[rows] < HEAD_WORDS]
            self._counted[word] = np.bincount(rows, minlength=len(self.n_words))
            self._headed[word] = np.bincount(heads, minlength=len(self.n_words)) > 0
        return self._counted[word], self._headed[word]

    def _places(self, word: bytes) -> "np.ndarray":
        """Return which words of the rows are this one."""
        import numpy as np

        head = int.from_bytes(word[:_STEP], "little")
        places = np.flatnonzero((self._heads == np.uint64(head)) & (self._sizes == len(word)))
        for at in range(_STEP, len(word), _STEP):
            part = word[at : at + _STEP]
            integers = self._integers[self._starts[places] + at] & _masks()[len(part)]
            places = places[integers == np.uint64(int.from_bytes(part, "little"))]
        return places


def _masks() -> "np.ndarray":
    """Return for each number of bytes up to `_STEP` the integer that has all bits of so many set."""
    import numpy as np

    return np.array([(1 << 8 * n) - 1 for n in range(_STEP + 1)], dtype=np.uint64)
