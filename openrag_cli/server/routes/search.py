"""Searching everything, a partition or a file; and chunks by id."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request

from openrag_cli import limits
from openrag_cli.contract import to_json as render
from openrag_cli.contract.nouns import chunk as chunk_shapes
from openrag_cli.domain import ALL_PARTITIONS, Chunk, Hit, SearchMode
from openrag_cli.engine import Engine
from openrag_cli.errors import DocumentNotFound, InvalidInput, NotFound, PartitionNotFound
from openrag_cli.retrieval import filters
from openrag_cli.retrieval.request import MAX_CONTEXT, MAX_TOP_K, SearchRequest, SortOrder
from openrag_cli.server import schemas
from openrag_cli.server.routes.indexer import FileIdPath, PartitionPath, errors
from openrag_cli.server.urls import engine_of, extract_link
from openrag_cli.store.files.dates import HINT as DATES
from openrag_cli.store.files.dates import read_bound

router = APIRouter(tags=["search"])

MAX_TEXT_CHARS = limits.most("query_chars")
"""A query travels in the URL, which the server reads up to `uvicorn_server.MAX_HEAD_BYTES`."""


class Question:
    """The parameters that the three searches share."""

    def __init__(
        self,
        text: Annotated[str, Query(min_length=1, max_length=MAX_TEXT_CHARS, description="What to look for")],
        top_k: Annotated[int, Query(ge=1, le=MAX_TOP_K, description="Hits at most")] = 5,
        mode: Annotated[SearchMode, Query(description="Rank by meaning, by words, or both")] = SearchMode.HYBRID,
        filter: Annotated[str, Query(description="A condition on metadata; empty: none")] = "",  # noqa: A002
        min_score: Annotated[float | None, Query(description="Leave out hits that score less")] = None,
        per_file: Annotated[int | None, Query(ge=1, description="Hits of one file at most")] = None,
        collapse: Annotated[bool, Query(description="One hit of a page, and of nearly equal texts")] = True,  # noqa: FBT002
        context: Annotated[
            int,
            Query(ge=0, le=MAX_CONTEXT, description="Chunks of the file to add on either side, within 4,000 tokens"),
        ] = 0,
        since: Annotated[str, Query(description=f"Documents of this date or later: {DATES}; empty: any")] = "",
        until: Annotated[str, Query(description=f"Documents of this date or earlier: {DATES}; empty: any")] = "",
        sort: Annotated[SortOrder, Query(description="Hits by score, or newest first")] = SortOrder.SCORE,
        prefer_recent: Annotated[
            float, Query(ge=0, le=1, description="How much newer documents are preferred")
        ] = 0.0,
        filter_params: Annotated[
            str, Query(description="A JSON object of values for each {name} of the filter; empty: none")
        ] = "",
    ) -> None:
        self.text = text
        self.top_k = top_k
        self.mode = mode
        self.filter = filters.bound(filter, _values(filter_params)) if filter_params else filter
        self.min_score = min_score
        self.per_file = per_file
        self.collapse = collapse
        self.context = context
        self.since = read_bound(since, now=datetime.now(UTC)) if since else None
        self.until = read_bound(until, now=datetime.now(UTC), is_last=True) if until else None
        self.sort = sort
        self.prefer_recent = prefer_recent

    def request(self, partitions: Sequence[str], file_ids: Sequence[str] = ()) -> SearchRequest:
        """Return the request for the engine."""
        return SearchRequest(
            text=self.text,
            partitions=tuple(partitions),
            file_ids=tuple(file_ids),
            top_k=self.top_k,
            mode=self.mode,
            filter=self.filter,
            min_score=self.min_score,
            per_file=self.per_file,
            collapse=self.collapse,
            context=self.context,
            since=self.since,
            until=self.until,
            sort=self.sort,
            prefers_recent=self.prefer_recent,
        )


def _values(text: str) -> dict[str, Any]:
    values = limits.read_json(text, "filter_params")
    if not isinstance(values, dict):
        raise InvalidInput("filter_params is no JSON object", hint='for example {"year": 2026}')
    return values


QuestionQuery = Annotated[Question, Depends()]


class UnknownName(InvalidInput):
    """A parameter names what is not there: 400, with the code of what was looked for."""

    def __init__(self, missing: NotFound) -> None:
        super().__init__(missing.message, hint=missing.hint)
        self.upstream_code = missing.code


def check_searched(engine: Engine, names: Sequence[str]) -> None:
    """Look for the view or the partitions of these names. Raises: PartitionNotFound; InvalidInput: a view among others."""
    if not engine.views.find(names):
        for name in set(names) - {ALL_PARTITIONS}:
            engine.partition(name)


def _passage(request: Request, hit: Hit) -> schemas.Passage:
    text = (hit.passage or hit.chunk.span).shown
    return schemas.Passage(
        link=extract_link(request, hit.chunk.id), content=text, metadata=chunk_shapes.hit_over_http(hit)
    )


def _search(
    request: Request, question: Question, partitions: Sequence[str], file_ids: Sequence[str] = ()
) -> schemas.Documents:
    hits = engine_of(request).search(question.request(partitions, file_ids))
    return schemas.Documents(
        documents=[_passage(request, hit) for hit in hits], warnings=render.warnings(hits.warnings)
    )


@router.get("/search", responses=errors(s400="A partition is unknown, or the filter is wrong"))
def search(
    request: Request,
    question: QuestionQuery,
    partitions: Annotated[list[str], Query(description="Partitions to search; repeat for several")] = [
        ALL_PARTITIONS
    ],
    files: Annotated[list[str], Query(description="Ids of files to search in; repeat for several")] = [],
) -> schemas.Documents:
    """Search some or all partitions."""
    try:
        return _search(request, question, partitions, files)
    except (PartitionNotFound, DocumentNotFound) as exc:
        raise UnknownName(exc) from exc


@router.get("/search/partition/{partition}/file/{file_id:path}", responses=errors(s400="Bad filter", s404="Unknown"))
def search_file(
    request: Request, question: QuestionQuery, partition: PartitionPath, file_id: FileIdPath
) -> schemas.Documents:
    """Search one file."""
    return _search(request, question, [partition], [file_id])


@router.get("/search/partition/{partition}", responses=errors(s400="Bad filter", s404="No such partition"))
def search_partition(request: Request, question: QuestionQuery, partition: PartitionPath) -> schemas.Documents:
    """Search one partition."""
    return _search(request, question, [partition])


@router.get("/extract/{extract_id}", responses=errors(s404="No such extract"))
def extract(
    request: Request,
    extract_id: Annotated[str, Path(description="Id of the chunk")],
    context: Annotated[int, Query(ge=0, le=1000, description="Chunks of the file to add on either side")] = 0,
) -> schemas.ExtractBody:
    """Return one chunk, with its neighbours if wanted."""
    found = engine_of(request).extract(extract_id, context=context)

    def passage(chunk: Chunk) -> schemas.Passage:
        """Return a chunk with its link."""
        metadata = chunk_shapes.over_http(chunk, found.file)
        return schemas.Passage(link=extract_link(request, chunk.id), content=chunk.span.shown, metadata=metadata)

    return schemas.ExtractBody(
        page_content=found.chunk.span.shown,
        metadata=chunk_shapes.over_http(found.chunk, found.file),
        before=[passage(chunk) for chunk in found.before],
        after=[passage(chunk) for chunk in found.after],
    )
