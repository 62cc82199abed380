"""Every line of some texts that a pattern matches: which texts are read, and what is told of each."""

import bisect
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace

from openrag_cli.domain import ALL_PARTITIONS, Document, File
from openrag_cli.errors import DocumentNotFound
from openrag_cli.index.rows import Scope
from openrag_cli.matching.matcher import Matcher, MatchingLine
from openrag_cli.retrieval.scope import Scopes
from openrag_cli.store.catalog import Catalog
from openrag_cli.store.searching.grams import Grams
from openrag_cli.store.searching.views import View, Views

MAX_OVERDUE = 3
"""Documents that may take too long before the rest is left out: a pattern that hangs in three hangs in all."""


@dataclass(frozen=True, slots=True)
class GrepRequest:
    """A pattern and where it is looked for: `file_ids` and `filter` narrow the partitions, as in a search.

    `pattern` is a regular expression of Python, or with `is_fixed` a text. Around each match come `n_context` lines;
    one document may take `limit_s` seconds.
    """

    pattern: str
    partitions: Sequence[str] = (ALL_PARTITIONS,)
    file_ids: Sequence[str] = ()
    filter: str = ""
    is_fixed: bool = False
    ignores_case: bool = False
    n_context: int = 0
    limit_s: float = 5.0
    since: None = None
    until: None = None

    def within(self, view: View) -> "GrepRequest":
        """Return the same in what a view names; its own filter narrows that further."""
        return replace(self, partitions=view.partitions, filter=view.narrowed(self.filter))


@dataclass(frozen=True, slots=True)
class GrepLine:
    """A line that matches, or stands around one that does: its number from 0, its page, and the ends of each match."""

    number: int
    page: int | None
    text: str
    is_match: bool = False
    spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class GrepFile:
    """A file with a match: its matching lines and those around them, in order."""

    file: File
    lines: tuple[GrepLine, ...]

    @property
    def matches(self) -> list[GrepLine]:
        """The lines that match."""
        return [line for line in self.lines if line.is_match]


@dataclass(frozen=True, slots=True)
class GrepEnd:
    """What was searched, as the last thing of all: `n_read` of the `n_searched` texts were read, the others cannot match.

    `overdue` are files that took too long; after too many of them `n_left` were not searched.
    """

    n_searched: int = 0
    n_read: int = 0
    overdue: tuple[File, ...] = ()
    n_left: int = 0


Found = GrepFile | GrepEnd


class Grep:
    """Looks for patterns in the stored texts of one store."""

    def __init__(self, catalog: Catalog, grams: Grams, scopes: Scopes, views: Views) -> None:
        self._catalog = catalog
        self._grams = grams
        self._scopes = scopes
        self._views = views

    def run(self, request: GrepRequest, should_stop: Callable[[], bool]) -> Generator[Found, None, None]:
        """Yield each file with a match, by partition and id, and an end; nothing more once `should_stop`.

        Raises: InvalidInput: the pattern, the filter. PartitionNotFound, DocumentNotFound: a name, both at once.
        """
        if view := self._views.find(request.partitions):
            request = request.within(view)
        scope = self._scopes.scope(request)
        matcher = Matcher(
            request.pattern,
            is_fixed=request.is_fixed,
            ignores_case=request.ignores_case,
            limit_s=request.limit_s,
            should_stop=should_stop,
        )
        return self._found(request, scope, matcher)

    def _found(self, request: GrepRequest, scope: Scope, matcher: Matcher) -> Generator[Found, None, None]:
        n_read, overdue = 0, list[File]()
        with matcher:
            places, n_others = self._grams.places(
                matcher.needs,
                partition_ids=scope.partition_ids,
                revisions=scope.revisions,
                excluded=scope.excluded,
            )
            for at, (partition, file_id) in enumerate(places):
                try:
                    file, document = self._catalog.current_document(partition, file_id)
                except DocumentNotFound:  # deleted meanwhile
                    continue
                found = matcher.lines(document.markdown)
                if found is not None:
                    n_read += 1
                    if found:
                        yield GrepFile(file, tuple(_shown(document, found, request.n_context)))
                    continue
                if matcher.should_stop():
                    return
                overdue.append(file)
                if len(overdue) == MAX_OVERDUE:
                    yield GrepEnd(n_read + n_others, n_read, tuple(overdue), len(places) - at - 1)
                    return
        yield GrepEnd(n_read + n_others, n_read, tuple(overdue))


def _shown(document: Document, found: Sequence[MatchingLine], n_context: int) -> Iterator[GrepLine]:
    """Yield the lines of a text that match and those around them."""
    lines = document.markdown.removesuffix("\n").split("\n")
    matching = {match.number: match.spans for match in found}
    wanted: list[int] = []
    for number in matching:
        begin = max(number - n_context, wanted[-1] + 1 if wanted else 0)
        wanted += range(begin, min(len(lines), number + n_context + 1))
    ends = [page.end for page in document.pages]
    begin, at = 0, 0
    for number in wanted:
        begin += sum(len(line) + 1 for line in lines[at:number])
        at = number
        page = document.pages[min(bisect.bisect_right(ends, begin), len(ends) - 1)].number if ends else None
        text = lines[number].removesuffix("\r")
        yield GrepLine(number, page, text, number in matching, matching.get(number, ()))
