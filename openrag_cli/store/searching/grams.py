"""Which texts cannot match a pattern, known without reading them: a signature of each text's runs of three characters.

It is a Bloom filter with one hash (Bloom 1970), a byte for each different run: nothing that a text holds is ever missed,
and one text in nine is read in vain for a run, one in a thousand for a word of five letters. Of Chinese, Japanese and
Korean, whose words are short, pairs of characters are kept too. Case is folded as `folded` says.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openrag_cli.errors import StoreDamaged

if TYPE_CHECKING:
    import sqlite3

    import numpy as np

    from openrag_cli.store.database import Database

Need = Mapping[str, Any]
"""What a text must hold to match: all of `runs`, and of each list in `any` one; see `matching/needs.py`."""

MAX_BYTES = 1 << 16
BLOCK_CHARS = 1 << 20
WIDE = 0x2E80
"""The first code point of the scripts whose pairs are kept."""

_FACTORS = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)
_MIX = 0x2C1B3C6D
_MASK = 0xFFFFFFFF
_TEXTS_AT_ONCE = 64


def folded(text: str) -> str:
    """Return a text in lower case, so that each run of characters in it is folded as it is alone, and a letter like every
    other that `re.IGNORECASE` takes for the same ASCII letter."""
    if text.isascii():
        return text.lower()
    text = text.replace("\u0130", "i").lower()  # the only letter that becomes two
    # Final sigma, dotless i, long s.
    return text.replace("\u03c2", "\u03c3").replace("\u0131", "i").replace("\u017f", "s")


def signature(text: str) -> bytes:
    """Return which runs a text holds."""
    import numpy as np

    folded_text = folded(text)
    found = np.empty(0, np.uint32)
    for begin in range(0, len(folded_text), BLOCK_CHARS):
        found = np.union1d(found, _hashes(folded_text[begin : begin + BLOCK_CHARS + 2]))
    if not len(found):
        return b""
    bits = np.zeros(8 * min(len(found), MAX_BYTES), bool)
    bits[found % np.uint32(len(bits))] = True
    return np.packbits(bits, bitorder="little").tobytes()


def _hashes(text: str) -> "np.ndarray":
    import numpy as np

    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint32)
    first, second, third = (codes * np.uint32(factor) for factor in _FACTORS)
    pairs = first[:-1] + second[1:]
    is_wide = (codes[:-1] >= WIDE) & (codes[1:] >= WIDE)
    runs = np.concatenate([pairs[:-1] + third[2:], pairs[is_wide]])
    runs = (runs ^ (runs >> np.uint32(15))) * np.uint32(_MIX)
    return np.unique(runs ^ (runs >> np.uint32(12)))


def _hash(run: str) -> int:
    value = sum(ord(letter) * factor for letter, factor in zip(run, _FACTORS, strict=False)) & _MASK
    value = ((value ^ (value >> 15)) * _MIX) & _MASK
    return value ^ (value >> 12)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A need, hashed."""

    hashes: tuple[int, ...]
    any: tuple[tuple["_Wanted", ...], ...]

    @classmethod
    def of(cls, need: Need) -> "_Wanted":
        """Return a need, hashed."""
        hashes = {_hash(gram) for run in need["runs"] for gram in _grams(folded(run))}
        return cls(tuple(hashes), tuple(tuple(map(cls.of, choice)) for choice in need["any"]))

    @property
    def is_empty(self) -> bool:
        """Whether every text has it."""
        return not self.hashes and all(any(one.is_empty for one in choice) for choice in self.any)

    def may_be_in(self, held: bytes) -> bool:
        """Whether a text with that signature may have it."""
        n_bits = 8 * len(held)
        return all(n_bits and held[(at := value % n_bits) >> 3] >> (at & 7) & 1 for value in self.hashes) and all(
            any(one.may_be_in(held) for one in choice) for choice in self.any
        )


def _grams(run: str) -> Iterator[str]:
    yield from (run[at : at + 3] for at in range(len(run) - 2))
    pairs = (run[at : at + 2] for at in range(len(run) - 1))
    yield from (pair for pair in pairs if min(map(ord, pair)) >= WIDE)


def may_hold(need: Need, held: bytes) -> bool:
    """Whether a text with that signature may hold what is needed."""
    return _Wanted.of(need).may_be_in(held)


def save_signature(connection: "sqlite3.Connection", revision: str, text: str) -> None:
    """Within a transaction, keep the signature of the text of a revision, which is stored."""
    connection.execute("INSERT OR REPLACE INTO gram VALUES (?, ?)", (revision, signature(text)))


class Grams:
    """The signatures of the texts of one store."""

    def __init__(self, database: "Database") -> None:
        self._db = database

    def places(
        self,
        need: Need,
        *,
        partition_ids: Sequence[int] | None,
        revisions: Sequence[str] | None,
        excluded: Sequence[str],
    ) -> tuple[list[tuple[str, str]], int]:
        """Return the partition and id of each file whose text may have what a pattern needs, and how many others there are.

        None lets every partition or revision through; `excluded` are revisions that are not looked at.
        """
        wanted = _Wanted.of(need)
        column = "NULL" if wanted.is_empty else "g.signature"
        join = "" if wanted.is_empty else "LEFT JOIN gram g ON g.revision = f.revision"
        sql = (
            f"SELECT p.name, f.file_id, {column} AS signature FROM file f "
            f"JOIN partition p ON p.id = f.partition_id AND p.name NOT GLOB '/*' {join} "
            "WHERE (:ids IS NULL OR f.partition_id IN (SELECT value FROM json_each(:ids))) "
            "AND (:revisions IS NULL OR f.revision IN (SELECT value FROM json_each(:revisions))) "
            "AND f.revision NOT IN (SELECT value FROM json_each(:excluded))"
        )
        named = {"ids": _listed(partition_ids), "revisions": _listed(revisions), "excluded": _listed(excluded)}
        found, n_others = [], 0
        with self._db.snapshot() as connection:
            for name, file_id, held in connection.execute(sql, named):
                if held is None or wanted.may_be_in(held):
                    found.append((name, file_id))
                else:
                    n_others += 1
        return sorted(found), n_others

    def fill(self) -> int:
        """Make the signatures of texts that an older version stored; return how many."""
        n_made = 0
        while rows := self._db.rows(
            "SELECT d.revision, d.markdown FROM document d WHERE NOT EXISTS "
            "(SELECT 1 FROM gram g WHERE g.revision = d.revision) LIMIT ?",
            (_TEXTS_AT_ONCE,),
        ):
            made = [(_signature_of(row["markdown"], row["revision"]), row["revision"]) for row in rows]
            with self._db.transaction() as connection:
                connection.executemany(
                    "INSERT OR IGNORE INTO gram SELECT revision, ? FROM document WHERE revision = ?", made
                )
            n_made += len(made)
        return n_made


def _signature_of(packed: bytes, revision: str) -> bytes:
    from openrag_cli.store.documents import unpacked

    try:
        return signature(unpacked(packed, revision))
    except StoreDamaged:  # told to whoever reads it: it may hold anything
        return b"\xff"


def _listed(values: Iterable[Any] | None) -> str | None:
    return None if values is None else json.dumps(list(values))
