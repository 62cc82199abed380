"""Further looks for an answer without an LLM: for names that the best passages lack, for rows that a figure stands in."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from openrag_cli.answering.quoting.accounts import reports, rows_needed
from openrag_cli.answering.quoting.asked import asking
from openrag_cli.answering.quoting.names import missing_names
from openrag_cli.domain import Passage, SearchMode
from openrag_cli.retrieval.request import SearchRequest

MAX_NAMES = 4
NAMING_HITS = 3
NAMING_TOKENS = 1500
"""What is read, at most, to tell whether any document has a name that the best passages have not."""

STATEMENT_HITS, NEIGHBOURS = 5, 2
STATEMENT_TOKENS = 9000
"""What is read, at most, to find the rows of one statement: a page is of several chunks."""

Retrieve = Callable[[SearchRequest, Sequence[str], int], list[Passage]]


def further_passages(retrieve: Retrieve, request: SearchRequest, found: Sequence[Passage]) -> list[Passage]:
    """Return passages that are found by what a question names or has to be computed from, numbered on from `found`.

    Raises: as `retrieve` does.
    """
    if not found:
        return []
    if missing := missing_names(request.text, found):
        more = list(_naming(retrieve, request, missing))
    else:
        more = list(_holding_rows(retrieve, request, found))
    return [replace(passage, number=len(found) + at) for at, passage in enumerate(more, start=1)]


def _naming(retrieve: Retrieve, request: SearchRequest, missing: Sequence[str]) -> Iterator[Passage]:
    """Yield passages that have the names which those found have not.

    So nothing is said to be in no document that is in one which was not among the best.
    """
    for name in missing[:MAX_NAMES]:
        look = replace(request, mode=SearchMode.TEXT, top_k=NAMING_HITS, min_score=None, context=0)
        naming = [one for one in retrieve(look, [name], NAMING_TOKENS) if not missing_names(f"in {name}", [one])]
        yield from (replace(one, score=0.0) for one in naming[:1])


def _holding_rows(retrieve: Retrieve, request: SearchRequest, found: Sequence[Passage]) -> Iterator[Passage]:
    """Yield passages of the statements that hold the rows which a question needs, from the file that it is about."""
    needed = rows_needed(request.text)
    report = reports(asking(request.text), found) if needed else []
    if not report:
        return
    seen = {(passage.file.revision, passage.start) for passage in found}
    for statement in dict.fromkeys(row.statement for row in needed):
        look = replace(
            request,
            mode=SearchMode.TEXT,
            partitions=(report[0].file.partition,),
            file_ids=(report[0].file.file_id,),
            top_k=STATEMENT_HITS,
            per_file=None,
            min_score=None,
            context=NEIGHBOURS,
        )
        for passage in retrieve(look, [statement], STATEMENT_TOKENS):
            if (passage.file.revision, passage.start) not in seen:
                seen.add((passage.file.revision, passage.start))
                yield replace(passage, score=0.0)
