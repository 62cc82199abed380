"""Keeping the index equal to the catalog, and fast: what is swept, collected and compacted, and when."""

import contextlib
import time
from dataclasses import dataclass, replace

from openrag_cli.errors import StoreBusy, StoreFull
from openrag_cli.failpoints import failpoint
from openrag_cli.index.policy import Plan, Statistics, needs_order, plan
from openrag_cli.index.recall import Recall
from openrag_cli.index.table import Index
from openrag_cli.maintenance.titles import TitleKeeper
from openrag_cli.maintenance.words import WordKeeper
from openrag_cli.store.blobs import BlobStore
from openrag_cli.store.catalog import Catalog
from openrag_cli.store.database import Database
from openrag_cli.store.searching.grams import Grams
from openrag_cli.store.task_records import TaskRecords

ORPHAN_AGE_S = 3600.0
"""A stored original that no file and no task names is deleted when it is this old, in seconds; they are looked for as
rarely, for that is a look at each file of the store."""

LOOKED_FOR_ORPHANS = "looked_for_orphans_at"
MAX_FREE = 0.25
"""Share of free pages from which the catalog's file is made smaller: fewer are soon written to again."""

MIN_FREE = 0.02
"""The same, where maintenance is asked for."""

AT_ONCE = 1000
"""Rows that one transaction changes at most: others write in between."""


@dataclass(frozen=True, slots=True)
class Tidied:
    """What maintenance did: numbers of retired revisions, orphans and old tasks that were deleted, and of chunks whose
    words were made again; whether the index was put in order, and the catalog's file made smaller."""

    n_swept: int = 0
    n_orphans: int = 0
    n_tasks: int = 0
    n_renewed: int = 0
    is_optimized: bool = False
    is_shrunk: bool = False


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long finished tasks are kept, in seconds, and how many at most; those that failed stay."""

    age_s: float = 30 * 86_400.0
    n_tasks: int = 100_000


class Janitor:
    """Keeps the index equal to the catalog, and fast."""

    def __init__(
        self,
        *,
        database: Database,
        catalog: Catalog,
        index: Index,
        blobs: BlobStore,
        words: WordKeeper,
        titles: TitleKeeper,
    ) -> None:
        self.words = words
        self.titles = titles
        self._grams = Grams(database)
        self._database = database
        self._catalog = catalog
        self._index = index
        self._blobs = blobs
        self._tasks = TaskRecords(database)
        self.recall = Recall(database, catalog, index)
        self.keeping = Keeping()
        """How long finished tasks are kept."""
        self._known_version: int | None = None

    def tidy(self, *, force: bool = False) -> Tidied:
        """Do all of it: delete what is retired, orphaned or old, make old words again, put the index in order if it
        needs it or `force`. With nothing to do it is a few reads."""
        n_swept, n_tasks, n_orphans = self.sweep(), self.prune_tasks(), self.collect_orphans(force=force)
        n_renewed = self.words.renew()
        self.titles.fill()
        self._grams.fill()
        is_optimized = self.optimize(force=force)
        return Tidied(n_swept, n_orphans, n_tasks, n_renewed, is_optimized, self.shrink(force=force))

    def sweep(self, *, timeout_s: float = 600.0) -> int:
        """Delete what is left of deleted partitions, and the chunks and originals of retired revisions; return how many
        revisions."""
        self._catalog.finish_deletions()
        if not self._catalog.tombstones():
            return 0
        with self._database.write_lock(timeout_s):
            retired = self._catalog.tombstones()
            failpoint("deleting")
            self.words.forget(retired)
            self._index.drop(retired)
            for begin in range(0, len(retired), AT_ONCE):
                self._blobs.discard(self._catalog.clear_tombstones(retired[begin : begin + AT_ONCE]))
        return len(retired)

    def sweep_if_free(self) -> None:
        """Do so now if nobody writes and there is room; else who next holds the lock does (I3)."""
        with contextlib.suppress(StoreBusy, StoreFull):
            self.sweep(timeout_s=0)

    def optimize(self, *, force: bool = False) -> bool:
        """Put the index in order where it needs it, or all of it; return whether anything was done."""
        if not force and self._known_version == self._index.version():
            return False
        is_needed = force or needs_order(self.statistics())
        is_done = is_needed and self._put_in_order(force=force)
        self._known_version = self._index.version()
        return is_done

    def statistics(self) -> Statistics:
        """Return what there is to put in order, with what was last measured of the vectors' lists."""
        found = self._index.statistics()
        return replace(found, recall=self.recall.known(found.lists))

    def _put_in_order(self, *, force: bool) -> bool:
        """Do what the policy says of the index as it is under the lock: another process may have done it."""
        with self._database.write_lock():
            todo = plan(self.statistics(), self._index.fragments(), force=force)
            failpoint("optimizing")
            if is_purged := todo.purges and self._index.exists and self._index.has_deleted():
                self._index.split_off_a_row()
            for fragments in todo.merges:
                self._index.merge(fragments)
            if todo.optimizes:
                self._index.optimize()
            if todo.makes_keys:
                self._index.ensure_keys()
        is_sorted = self._sort_vectors(todo, force=force)
        if is_purged:  # all parts have the same indices now, and are merged
            with self._database.write_lock():
                self._index.optimize()
        return is_sorted or not todo.is_empty

    def _sort_vectors(self, before: Plan, *, force: bool) -> bool:
        """Sort the vectors into lists, if the policy still says so; others could write since the rest was done."""
        if before.lists is None:
            return False
        with self._database.write_lock():
            lists = plan(self.statistics(), {}, force=force).lists
            failpoint("sorting")
            if lists is not None:
                self._index.sort_vectors(lists)
        return lists is not None

    def shrink(self, *, force: bool = False) -> bool:
        """Give the free pages of the catalog back to the disk where they are a fair part of it; return whether."""
        if self._database.free_share() < (MIN_FREE if force else MAX_FREE):
            return False
        with self._database.write_lock():
            return self._database.shrink(fully=force)

    def prune_tasks(self) -> int:
        """Forget finished tasks that are old or too many, and what was kept of them; failed ones stay. Return how many."""
        n_pruned = 0
        while some := self._tasks.prune_old(self.keeping.age_s, self.keeping.n_tasks, limit=AT_ONCE):
            self._blobs.discard(self._catalog.unneeded(some))
            n_pruned += len(some)
        return n_pruned

    def collect_orphans(self, *, force: bool = False) -> int:
        """Delete originals that a crash left without a file or task, once an hour or by `force`; return how many."""
        limit = time.time() - ORPHAN_AGE_S
        if not force and float(self._catalog.meta(LOOKED_FOR_ORPHANS) or 0.0) > limit:
            return 0
        old = [revision for revision, changed_at in self._blobs.stored() if changed_at < limit]
        needed = self._catalog.revisions() if old else set()
        orphans = [revision for revision in old if revision not in needed]
        self._blobs.discard(orphans)
        self._catalog.set_meta(LOOKED_FOR_ORPHANS, str(time.time()))
        return len(orphans)
