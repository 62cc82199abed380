"""Keeping the words of the index, and what is counted of them, equal to the stored text and to this version."""

import logging
from collections.abc import Callable, Sequence

from openrag_cli.failpoints import failpoint
from openrag_cli.index.table import Index
from openrag_cli.index.words import WORDS_VERSION
from openrag_cli.store.database import Database
from openrag_cli.store.searching.word_counts import WordCounts, count_by_revision

logger = logging.getLogger(__name__)

FORGET_FILES = 1000
"""Files whose words are read at once to be taken out of the counts."""

RENEW_CHUNKS = 4096
"""Chunks whose words are made again under one hold of the write lock."""


class WordKeeper:
    """Counts words no more when their chunks go, and makes them again when another version made them."""

    def __init__(
        self, database: Database, index: Index, counts: WordCounts, for_search: Callable[[str], str]
    ) -> None:
        self._database = database
        self._index = index
        self._counts = counts
        self._for_search = for_search

    def forget(self, revisions: Sequence[str]) -> None:
        """Take the words of chunks that are about to be dropped out of the counts; the caller holds the write lock."""
        for begin in range(0, len(revisions), FORGET_FILES):
            rows = self._index.words_of(revisions[begin : begin + FORGET_FILES])
            self._counts.forget(count_by_revision(rows, WORDS_VERSION))

    def renew(self) -> int:
        """Make the words of chunks again where another version made them; return of how many chunks.

        Nothing is read from originals or embedded, and searches go on by the old words until the last commit. The
        write lock is held for `RENEW_CHUNKS` at a time; a run that ended early is gone on with.
        """
        if self._index.has_words:
            return 0
        logger.warning("the full-text index is of an older version: it is made again from the stored text")
        with self._database.write_lock():
            self._index.begin_words()
        n_done = 0
        while n_more := self._step():
            n_done += n_more
        return n_done

    def _step(self) -> int:
        """Make the words of some chunks, or end it; return of how many."""
        with self._database.write_lock():
            return 0 if self._index.has_words else self._make_some()  # another process may have been faster

    def _make_some(self) -> int:
        revisions = self._index.without_words(RENEW_CHUNKS)
        if not revisions:
            failpoint("finishing words")
            self._index.finish_words()
            self._counts.drop_others()
            return 0
        passages = self._index.passages(revisions)
        rows = [(key, revision, self._for_search(passage)) for key, revision, passage in passages]
        # Counted first: what is counted is not counted again, what has words is not looked at again.
        self._counts.count(count_by_revision([(revision, words) for _, revision, words in rows], WORDS_VERSION))
        failpoint("renewing words")
        self._index.put_words([(key, words) for key, _, words in rows])
        return len(rows)
