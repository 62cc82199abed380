"""Looking at the index before it is used: what a power cut broke is mended, what is lost is said."""

import logging

from openrag_cli.domain import ALL_PARTITIONS
from openrag_cli.errors import StoreDamaged
from openrag_cli.index.lance_errors import REMAKE
from openrag_cli.index.table import Index
from openrag_cli.store.catalog import Catalog
from openrag_cli.store.database import Database

logger = logging.getLogger(__name__)


def mend(database: Database, catalog: Catalog, index: Index) -> None:
    """Set a damaged newest version of the index aside, so that the one before it opens, and warn of it.

    Raises:
        StoreDamaged: there are files but no index, or no version of it is whole.
    """
    if catalog.has_files() and not index.exists:
        raise StoreDamaged("the store has lost its index (the folder lance)", hint=REMAKE)
    if not index.has_bad_head:
        return
    with database.write_lock():
        n_bad = len(index.set_aside_bad_head())
        indexed = index.revisions()
    lost = [file for file in catalog.files(ALL_PARTITIONS) if indexed.get(file.revision, 0) != file.chunk_count]
    logger.warning("the newest version of the index was damaged: %d set aside, the one before it is used", n_bad)
    for file in lost:
        logger.warning(
            "file '%s' of partition '%s' lost chunks: openrag file replace restores it", file.file_id, file.partition
        )
