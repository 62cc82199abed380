"""Partitions, their files, chunks and originals."""

import functools
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from openrag_cli.contract import to_json as render
from openrag_cli.contract.nouns import chunk as chunk_shapes
from openrag_cli.contract.nouns import file as file_shapes
from openrag_cli.contract.nouns import partition as partition_shapes
from openrag_cli.domain import Chunk, File
from openrag_cli.errors import PartitionNotFound
from openrag_cli.server import schemas
from openrag_cli.server.originals import original
from openrag_cli.server.routes.indexer import FileIdPath, PartitionPath, errors
from openrag_cli.server.routes.paging import AfterQuery, LimitQuery, OffsetQuery, everything
from openrag_cli.server.urls import engine_of, extract_link, link
from openrag_cli.store.files.results import Results

router = APIRouter(prefix="/partition", tags=["partitions"])


@router.get("")
def list_partitions(request: Request) -> schemas.Partitions:
    """Return every partition, by name."""
    return schemas.Partitions(
        partitions=[
            schemas.PartitionEntry(**partition_shapes.HTTP.as_json(found))
            for found in engine_of(request).partitions()
        ]
    )


@router.get("/check-file/{partition}/file/{file_id:path}", responses=errors(s404="No such file"))
def check_file(request: Request, partition: PartitionPath, file_id: FileIdPath) -> str:
    """Tell that a file exists."""
    engine_of(request).file(partition, file_id)
    return f"File '{file_id}' exists in partition '{partition}'."


@router.get("/{partition}/file/{file_id:path}", responses=errors(s404="No such file"))
def show_file(request: Request, partition: PartitionPath, file_id: FileIdPath) -> schemas.FileDetails:
    """Return a file, with links to its chunks."""
    engine = engine_of(request)
    file, chunks = engine.file_with_chunks(partition, file_id)
    links = [schemas.Link(link=extract_link(request, chunk.id)) for chunk in chunks]
    return schemas.FileDetails(metadata=file_shapes.over_http(file), documents=links)


@router.get(
    "/{partition}/content/{file_id:path}",
    response_class=Response,
    responses={
        200: {
            "content": {  # for generators of clients, which know bytes by that type alone, and as it is
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
                "*/*": {"schema": {"type": "string", "format": "binary"}},
            }
        },
        206: {"description": "The range that was asked for"},
        304: {"description": "The client has it"},
        416: {"description": "The range is not in it"},
        **errors(s404="No such file"),
    },
)
def content(request: Request, partition: PartitionPath, file_id: FileIdPath) -> Response:
    """Return the stored original, as an attachment; one range of it where that is asked for."""
    return original(request, *engine_of(request).open_file(partition, file_id))


@router.get("/{partition}/text/{file_id:path}", responses=errors(s404="No such file"))
def text(request: Request, partition: PartitionPath, file_id: FileIdPath) -> schemas.Text:
    """Return the text of a file as it was indexed."""
    document = engine_of(request).document(partition, file_id)
    pages = [{"number": page.number, "start": page.start, "end": page.end} for page in document.pages]
    return schemas.Text(text=document.markdown, pages=pages)


@router.get(
    "/{partition}/chunks",
    responses=errors(s400="`after` names no page", s404="No such partition"),
    response_model=schemas.Chunks,
)
def list_chunks(
    request: Request,
    partition: PartitionPath,
    limit: LimitQuery = None,
    offset: OffsetQuery = 0,
    after: AfterQuery = "",
) -> schemas.Chunks | Response:
    """Return the chunks of a partition, file by file: those from number `offset` on, or those after a page."""
    look = functools.partial(engine_of(request).partition_chunks, partition)

    def show(entry: tuple[File, Chunk]) -> schemas.Passage:
        """Return a chunk with its link."""
        file, chunk = entry
        link = extract_link(request, chunk.id)
        return schemas.Passage(link=link, content=chunk.span.text, metadata=chunk_shapes.over_http(chunk, file))

    if limit is None:
        return everything("chunks", look, show, offset=offset, after=after)
    page = look(limit=limit, offset=offset, after=after)
    return schemas.Chunks(chunks=list(map(show, page)), total=page.total, next=page.next)


@router.get("/{partition}/keys", responses=errors(s404="No such partition"))
def list_keys(request: Request, partition: PartitionPath) -> schemas.Keys:
    """Return the keys of metadata that a filter can ask for, with their types and commonest values."""
    return schemas.Keys.model_validate({"keys": [render.key(one) for one in engine_of(request).file_keys(partition)]})


@router.get(
    "/{partition}",
    responses=errors(s400="The filter is wrong, or `after` names no page", s404="No such partition"),
    response_model=schemas.Files,
)
def list_files(
    request: Request,
    partition: PartitionPath,
    limit: LimitQuery = None,
    offset: OffsetQuery = 0,
    after: AfterQuery = "",
    filter: Annotated[str, Query(description="A condition on metadata; empty: none")] = "",  # noqa: A002
) -> schemas.Files | Response:
    """Return the files of a partition, by id, or those that a filter lets through."""
    engine = engine_of(request)
    engine.partition(partition)
    look = functools.partial(engine.files, partition, filter=filter)

    def show(file: File) -> schemas.FileEntry:
        """Return a file with its link."""
        entry = {**file_shapes.over_http(file), "link": link(request, "partition", partition, "file", file.file_id)}
        return schemas.FileEntry(**entry)

    if limit is None:
        return everything("files", look, show, offset=offset, after=after, tail=_warnings)
    page = look(limit=limit, offset=offset, after=after)
    return schemas.Files(files=list(map(show, page)), total=page.total, next=page.next, **_warnings(page))


def _warnings(found: Results[File]) -> dict[str, Any]:
    return {"warnings": render.warnings(found.warnings)}


@router.post("/{partition}", status_code=201, responses=errors(s400="The name is invalid", s409="It exists"))
def create_partition(request: Request, partition: PartitionPath) -> schemas.PartitionEntry:
    """Create an empty partition."""
    made = engine_of(request).create_partition(partition)
    return schemas.PartitionEntry(**partition_shapes.HTTP.as_json(made))


@router.delete("/{partition}", status_code=204, responses=errors(s404="No such partition"))
def delete_partition(request: Request, partition: PartitionPath) -> Response:
    """Delete a partition with all its files."""
    try:
        engine_of(request).delete_partition(partition)
    except PartitionNotFound as exc:
        raise PartitionNotFound(partition) from exc
    return Response(status_code=204)
