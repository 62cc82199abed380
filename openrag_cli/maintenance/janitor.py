"""Keeping the index equal to the catalog, and fast: what is swept, collected and compacted, and when."""

import contextlib
import time

from openrag_cli.errors import StoreBusy, StoreFull
from openrag_cli.failpoints import failpoint
from openrag_cli.index.table import Index
from openrag_cli.maintenance.titles import TitleKeeper
from openrag_cli.maintenance.words import WordKeeper
from openrag_cli.store.blobs import BlobStore
from openrag_cli.store.catalog import Catalog
from openrag_cli.store.database import Database

MAX_FRAGMENTS = 24
MAX_UNINDEXED_ROWS = 2000
MAX_UNINDEXED_SHARE = 0.02
"""Beyond any of the three the index is put in order: searches are slower than they need be, and the weights of words
in rows that are not indexed depend on how these were committed. In a large index the share keeps the cost in bounds."""

ORPHAN_AGE_S = 3600.0
"""A stored original that no file and no task names is deleted when it is this old, in seconds."""


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
        self._database = database
        self._catalog = catalog
        self._index = index
        self._blobs = blobs

    def tidy(self, *, force: bool = False) -> None:
        """Do all of it: delete what is retired or orphaned, make old words and missing titles, compact if needed or `force`."""
        self.sweep()
        self.collect_orphans()
        self.words.renew()
        self.titles.fill()
        self.optimize(force=force)

    def sweep(self, *, timeout_s: float = 600.0) -> int:
        """Delete the chunks and originals of retired revisions; return how many revisions."""
        if not self._catalog.tombstones():
            return 0
        with self._database.write_lock(timeout_s):
            retired = self._catalog.tombstones()
            failpoint("deleting")
            self.words.forget(retired)
            self._index.drop(retired)
            self._blobs.discard(self._catalog.clear_tombstones(retired))
        return len(retired)

    def sweep_if_free(self) -> None:
        """Do so now if nobody writes and there is room; else who next holds the lock does (I3)."""
        with contextlib.suppress(StoreBusy, StoreFull):
            self.sweep(timeout_s=0)

    def optimize(self, *, force: bool = False) -> bool:
        """Compact the index when it needs it, or always; return whether it was done."""
        n_fragments, n_unindexed, n_rows = self._index.backlog()
        few = min(MAX_UNINDEXED_ROWS, n_rows * MAX_UNINDEXED_SHARE)
        if not force and n_fragments <= MAX_FRAGMENTS and n_unindexed <= few:
            return False
        with self._database.write_lock():
            failpoint("optimizing")
            self._index.optimize()
        return True

    def collect_orphans(self) -> int:
        """Delete originals that a crash left without a file or task; return how many."""
        limit = time.time() - ORPHAN_AGE_S
        old = [revision for revision, changed_at in self._blobs.stored() if changed_at < limit]
        needed = self._catalog.revisions()
        orphans = [revision for revision in old if revision not in needed]
        self._blobs.discard(orphans)
        return len(orphans)
