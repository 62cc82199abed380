"""When the index is put in order, and how: a pure function from its statistics to steps.

Lance's own compaction rewrites every fragment of less than a million rows that stands beside another with the same
indices: a copy of the whole table for a few new rows. So small fragments are first merged among themselves, as a
log-structured merge tree does it (O'Neil et al. 1996): of each size only when there are many. Then one young fragment
stands beside the old ones, and bringing the full-text index up to date leaves the old rows where they are. All of it
is written again only when a fair part of it is new, or was deleted.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

MAX_FRAGMENTS = 8
"""Fragments of about one size that may stand beside each other: each costs every search a little."""

TIERS = (8, 64, 512, 4096, 32_768)
"""Sizes in rows: fragments between two of them are merged with their like, so that a row is written again about once
for each of the sizes. What is larger is left to a rewrite."""

MAX_UNINDEXED_SHARE = 0.02
"""Share of rows that may be outside the full-text index: they are found by reading them all."""

MIN_UNINDEXED_ROWS = 64
"""So many rows may be outside it in any store: they cost a search less than a millisecond."""

MAX_UNINDEXED_ROWS, MAX_UNINDEXED_SHARE_OF_MANY = 1536, 0.005
"""The most in rows, for each thousand costs a search some 6 ms (measured); but never less than this share, for what is
written then grows with all rows, by about 200 bytes for each."""

MAX_DELETED_SHARE = 0.1
PURGED_SHARE, MIN_PURGED_ROWS, MAX_PURGED_STORE = 0.05, 1000, 900_000
"""The share of deleted rows, and the number, from which all is written again and the vectors are sorted anew: a search
costs less then than among what was deleted and in two sets of lists. In stores of so many rows at most, for Lance merges
no fragment of a million."""

REWRITE_SHARE = 0.25
"""Share of new rows from which all is written again: each row is so rewritten about four times for each doubling."""

MAX_STALE_VERSIONS = 512
"""Versions that may be kept although nobody reads them: each is some 20 kB, and they go with what costs more."""


MIN_KEYED_ROWS = 1000
"""Rows from which the keys have indices; fewer are read as fast as they are looked up."""


MIN_LISTED_ROWS = 30_000
"""Rows from which vectors are indexed: fewer are measured one by one in about the time that the index takes."""

REGROWN = 2
"""Vectors are sorted anew when there ought to be so many times the lists: the rows are then four times as many."""

MIN_RECALL, MAX_EFFORT = 0.97, 8
"""The share of the nearest rows that is to be found, and how many times the usual number of lists is looked into to
find it."""


@dataclass(frozen=True, slots=True)
class Lists:
    """Into how many lists vectors are sorted, and how many times the usual number of them a search looks into."""

    n: int
    effort: int = 1


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the index says of itself, cheaply: numbers of rows, but for fragments and versions.

    `lists` are those of the vectors, where these are indexed, and `recall` is what was last measured of them.
    """

    n_rows: int = 0
    n_fragments: int = 0
    n_unindexed: int = 0
    n_deleted: int = 0
    n_stale_versions: int = 0
    lacks_keys: bool = False
    lists: Lists | None = None
    recall: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done: groups of fragments, by number, each merged into one; then, if so, Lance's `optimize`,
    indices of the keys are made, and the vectors sorted into lists; `purges` whether rows that are deleted are to go from
    the files after that."""

    merges: tuple[tuple[int, ...], ...] = ()
    optimizes: bool = False
    makes_keys: bool = False
    lists: Lists | None = None
    purges: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be done."""
        return self == Plan()


def needs_order(found: Statistics) -> bool:
    """Whether the index may need something: then the sizes of its fragments are worth looking at."""
    is_short = _needs_indexing(found) or _makes_keys(found) or _new_lists(found) is not None
    return found.n_fragments > MAX_FRAGMENTS or is_short


def lists_for(n_rows: int) -> int:
    """Return into how many lists so many vectors are sorted: about the root of their number, as a power of two."""
    return 1 << round(math.log2(max(1, n_rows)) / 2)


def _new_lists(found: Statistics) -> Lists | None:
    """Return the lists into which the vectors are to be sorted; None where those that there are do."""
    if found.n_rows < MIN_LISTED_ROWS:
        return None
    n_lists = lists_for(found.n_rows)
    if found.lists is None:
        return Lists(n_lists)
    effort = found.lists.effort
    if found.recall is not None and found.recall < MIN_RECALL and effort < MAX_EFFORT:
        return Lists(n_lists, 2 * effort)
    return Lists(n_lists, effort) if found.n_rows >= (REGROWN * found.lists.n) ** 2 else None


def _purges(found: Statistics) -> bool:
    least = max(MIN_PURGED_ROWS, found.n_rows * PURGED_SHARE)
    return found.n_deleted > least and found.n_rows <= MAX_PURGED_STORE


def _makes_keys(found: Statistics) -> bool:
    return found.lacks_keys and found.n_rows >= MIN_KEYED_ROWS


def _needs_indexing(found: Statistics) -> bool:
    of_many = max(MAX_UNINDEXED_ROWS, found.n_rows * MAX_UNINDEXED_SHARE_OF_MANY)
    most = max(MIN_UNINDEXED_ROWS, min(found.n_rows * MAX_UNINDEXED_SHARE, of_many))
    return (
        found.n_unindexed > most
        or found.n_deleted > found.n_rows * MAX_DELETED_SHARE
        or _purges(found)
        or found.n_stale_versions > MAX_STALE_VERSIONS
    )


def plan(found: Statistics, rows_of: Mapping[int, int], *, force: bool = False) -> Plan:
    """Return what is to be done with fragments of so many rows each, by number; `force` writes all of it again."""
    makes_keys, lists = _makes_keys(found), _new_lists(found)
    if force or _purges(found):
        again = Lists(lists_for(found.n_rows), found.lists.effort) if found.lists else None
        return Plan(optimizes=True, makes_keys=makes_keys, lists=lists or again, purges=True)
    if _needs_indexing(found):
        young = _young(rows_of)
        is_rewritten = sum(young.values()) >= REWRITE_SHARE * found.n_rows
        return Plan(() if is_rewritten else _grouped(young), optimizes=True, makes_keys=makes_keys, lists=lists)
    return Plan(_crowded(rows_of), makes_keys=makes_keys, lists=lists)


def _crowded(rows_of: Mapping[int, int]) -> tuple[tuple[int, ...], ...]:
    """Return groups of fragments of about one size, of the smallest size of which there are too many."""
    for least, most in itertools.pairwise((0, *TIERS)):
        alike = {number: n for number, n in rows_of.items() if least <= n < most}
        if len(alike) > MAX_FRAGMENTS:
            return _grouped(alike)
    return ()


def _young(rows_of: Mapping[int, int]) -> dict[int, int]:
    """Return the fragments that are small, and less than half as large as the largest."""
    limit = min(TIERS[-1], max(rows_of.values(), default=0) / 2)
    return {number: n for number, n in rows_of.items() if n < limit}


def _grouped(rows_of: Mapping[int, int]) -> tuple[tuple[int, ...], ...]:
    """Return groups of fragments, smallest first, of at most as many rows as are held in memory at once."""
    groups: list[list[int]] = [[]]
    n_rows = 0
    for number in sorted(rows_of, key=lambda number: (rows_of[number], number)):
        if groups[-1] and n_rows + rows_of[number] > TIERS[-1]:
            groups.append([])
            n_rows = 0
        groups[-1].append(number)
        n_rows += rows_of[number]
    return tuple(tuple(group) for group in groups if len(group) > 1)
