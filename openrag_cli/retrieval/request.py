"""What a search is asked for, and the bounds of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from openrag_cli import limits
from openrag_cli.domain import ALL_PARTITIONS, SearchMode
from openrag_cli.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from openrag_cli.store.searching.views import View

MAX_TOP_K = limits.most("hits")
MAX_CONTEXT = 10
CONTEXT_TOKENS = 4000
"""What hits with their neighbours hold together, at most, unless the caller has another budget."""


RECENT_BONUS = 0.3
"""With `prefers_recent` 1 the score of a document of today grows by this share of the best score."""


class SortOrder(StrEnum):
    """The order in which hits come."""

    SCORE = "score"
    DATE = "date"  # the newest document first


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What to look for and where. `file_ids` and `filter` (see filters.py) narrow the search to
    files, `per_file` limits the hits of each. `collapse` shows the best chunk of a page alone, and of texts that are
    nearly the same one. With `context`, each hit comes with so many chunks of its file on either side, or with the whole
    of a short file, as far as `max_tokens` for all of them allow. `since` and `until` let through files of those dates (see
    `File.modified_at`), both ends among them; `prefers_recent`, 0 to 1, weighs `RECENT_BONUS`, which is added to the
    scores of hits that are not weak, the newer the more; `sort` is the order in which the best hits come."""

    text: str
    partitions: Sequence[str] = (ALL_PARTITIONS,)
    file_ids: Sequence[str] = ()
    top_k: int = 5
    mode: SearchMode = SearchMode.HYBRID
    min_score: float | None = None
    per_file: int | None = None
    filter: str = ""
    collapse: bool = True
    context: int = 0
    max_tokens: int = CONTEXT_TOKENS
    since: datetime | None = None
    until: datetime | None = None
    sort: SortOrder = SortOrder.SCORE
    prefers_recent: float = 0.0

    def within(self, view: View) -> SearchRequest:
        """Return the same search in what a view names; its own filter narrows that further."""
        return replace(self, partitions=view.partitions, filter=view.narrowed(self.filter))

    def check(self) -> None:
        """Check the numbers and the text.

        Raises:
            InvalidInput: no text, too much of it, or a number out of range.
        """
        if not self.text.strip():
            raise InvalidInput("the query is empty", hint='for example: openrag search "rotate api keys"')
        limits.check("query_chars", len(self.text))
        if not 1 <= self.top_k <= MAX_TOP_K:
            raise InvalidInput(f"top_k must be between 1 and {MAX_TOP_K:,}, not {self.top_k}")
        if self.min_score is not None and math.isnan(self.min_score):
            raise InvalidInput("min_score must be a number, not nan")
        if self.per_file is not None and self.per_file < 1:
            raise InvalidInput(f"per_file must be at least 1, not {self.per_file}")
        if not 0 <= self.prefers_recent <= 1:
            raise InvalidInput(f"prefer_recent must be between 0 and 1, not {self.prefers_recent}")
        if self.since and self.until and self.since > self.until:
            raise InvalidInput("no date is both since and until these")
        if not 0 <= self.context <= MAX_CONTEXT:
            raise InvalidInput(f"context must be between 0 and {MAX_CONTEXT}, not {self.context}")
