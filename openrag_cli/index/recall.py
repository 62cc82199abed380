"""What share of the nearest chunks a search finds by the vectors' lists: measured by `doctor`, and kept until they change.

To measure it is to read every vector, so what was found of one version of the index is not looked for again.
"""

import json
from typing import Any

from openrag_cli.index.policy import Lists
from openrag_cli.index.table import Index
from openrag_cli.store.catalog import Catalog
from openrag_cli.store.database import Database

KEPT = "recall"


class Recall:
    """The recall of an index, as the catalog of its store remembers it."""

    def __init__(self, database: Database, catalog: Catalog, index: Index) -> None:
        self._database = database
        self._catalog = catalog
        self._index = index

    def measure(self) -> float | None:
        """Return the recall of the index as it is; None where every search measures all vectors in scope."""
        lists = self._index.statistics().lists
        if lists is None:
            return None
        version = self._index.version()
        kept = self._kept()
        if kept.get("version") == version and kept.get("lists") == [lists.n, lists.effort]:
            return float(kept["recall"])
        measured = self._index.recall()
        if measured is not None and not self._database.is_read_only:
            found = {"version": version, "lists": [lists.n, lists.effort], "recall": measured}
            self._catalog.set_meta(KEPT, json.dumps(found))
        return measured

    def known(self, lists: Lists | None) -> float | None:
        """Return what was last measured of these lists; None when nothing was."""
        kept = self._kept() if lists is not None else {}
        return float(kept["recall"]) if lists and kept.get("lists") == [lists.n, lists.effort] else None

    def _kept(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._catalog.meta(KEPT) or "{}")
        return found
