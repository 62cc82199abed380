"""Uploading, replacing, editing and deleting files, and the tasks that index them."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Query, Request, Response, UploadFile

from openrag_cli.contract.nouns import task as task_shapes
from openrag_cli.documents.media_types import SUPPORTED
from openrag_cli.domain import TaskKind, TaskState
from openrag_cli.errors import NotFound
from openrag_cli.ingest.upload import client_upload
from openrag_cli.server import schemas
from openrag_cli.server.error_handlers import extensions
from openrag_cli.server.guards.bodies import UploadRoute
from openrag_cli.server.urls import engine_of, task_link
from openrag_cli.store.metadata import read_metadata
from openrag_cli.store.names import MAX_FILE_ID_CHARS, MAX_PARTITION_CHARS

router = APIRouter(prefix="/indexer", tags=["indexing"], route_class=UploadRoute)

NAME_PATTERN = r"^[^\s/\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufffd]+$"
FILE = "/partition/{partition}/file/{file_id:path}"
# The patterns are for readers of the document; the engine checks, and says what is wrong.
PartitionPath = Annotated[
    str,
    Path(
        description="Name of the partition",
        json_schema_extra={"pattern": NAME_PATTERN, "maxLength": MAX_PARTITION_CHARS},
    ),
]
FileIdPath = Annotated[
    str,
    Path(
        description="Id of the file; slashes may be written as they are or as %2F",
        json_schema_extra={"pattern": NAME_PATTERN, "maxLength": MAX_FILE_ID_CHARS},
    ),
]
TaskPath = Annotated[str, Path(description="Id of the task: 48 hex characters")]
BatchForm = Annotated[
    str | None, Form(pattern="^[0-9a-f]{48}$", description="What to count this task under: see /queue/info")
]
MetadataForm = Annotated[str, Form(description="A JSON object as text; empty is {}")]
ModifiedForm = Annotated[
    str, Form(description="When the file was last changed, RFC 3339; empty: now, or what the document says of itself")
]


def errors(**described: str) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of error answers, from `s<status>="when"`."""
    return {int(key[1:]): {"model": schemas.Error, "description": text} for key, text in described.items()}


UPLOAD_ERRORS = errors(
    s400="An id, the partition or the metadata is invalid",
    s413="The file is too large",
    s415="No reader for this format",
    s422="No file was sent",
    s408="The body came too slowly",
    s507="No space left",
)


@router.post(FILE, status_code=201, responses=UPLOAD_ERRORS | errors(s409="The file exists, or is being added"))
def add_file(
    request: Request,
    partition: PartitionPath,
    file_id: FileIdPath,
    file: UploadFile,
    metadata: MetadataForm = "",
    modified_at: ModifiedForm = "",
    batch: BatchForm = None,
) -> schemas.TaskLink:
    """Store a file and queue it; the task exists before the answer is sent. An unknown partition is created."""
    upload = client_upload(partition, file_id, file.filename or "", read_metadata(metadata), modified_at=modified_at)
    task = engine_of(request).submit(upload, file.file, batch=batch)
    return schemas.TaskLink(task_status_url=task_link(request, task.id))


@router.put(FILE, status_code=202, responses=UPLOAD_ERRORS | errors(s404="No such file"))
def replace_file(
    request: Request,
    partition: PartitionPath,
    file_id: FileIdPath,
    file: UploadFile,
    metadata: MetadataForm = "",
    modified_at: ModifiedForm = "",
    batch: BatchForm = None,
) -> schemas.TaskLink:
    """Replace a file; the old version stays searchable until the new one commits, and for good if it fails."""
    upload = client_upload(partition, file_id, file.filename or "", read_metadata(metadata), modified_at=modified_at)
    task = engine_of(request).submit(upload, file.file, kind=TaskKind.REPLACE, batch=batch)
    return schemas.TaskLink(task_status_url=task_link(request, task.id))


@router.patch(
    FILE, responses=errors(s400="The metadata is invalid", s404="No such file", s413="Too large", s408="Too slow")
)
def edit_file(
    request: Request,
    partition: PartitionPath,
    file_id: FileIdPath,
    metadata: MetadataForm = "",
    remove: Annotated[list[str], Form(description="Keys to drop; repeat for several")] = [],
) -> schemas.Message:
    """Merge metadata into the old; nothing is indexed again and chunk ids stay."""
    engine_of(request).edit_file(partition, file_id, read_metadata(metadata), remove=remove)
    return schemas.Message(message=f"Metadata for file '{file_id}' successfully updated.")


@router.delete(FILE, status_code=204, responses=errors(s404="No such file"))
def delete_file(request: Request, partition: PartitionPath, file_id: FileIdPath) -> Response:
    """Delete a file and cancel what is being done to it."""
    engine_of(request).delete_file(partition, file_id)
    return Response(status_code=204)


@router.get("/task/{task_id}/logs", responses=errors(s404="No such task"))
def task_logs(
    request: Request,
    task_id: TaskPath,
    max_lines: Annotated[int, Query(ge=1, le=100_000, description="Lines at most, the last ones")] = 100,
) -> schemas.TaskLogs:
    """Return the last lines of a task's log, oldest first."""
    lines = engine_of(request).task_log(task_id, last=max_lines)
    return schemas.TaskLogs(
        task_id=task_id, logs=[f"{line.at.isoformat()} - {line.level} - {line.message}" for line in lines]
    )


@router.get("/task/{task_id}/error", responses=errors(s404="No such task, or it has no error"))
def task_error(request: Request, task_id: TaskPath) -> schemas.TaskTraceback:
    """Return why a task failed."""
    task = engine_of(request).task(task_id)
    if task.error is None or task.state is not TaskState.FAILED:
        raise NotFound(f"No error found for task '{task_id}'.")
    lines = [line for part in task.error.traceback for line in part.rstrip("\n").split("\n")]
    return schemas.TaskTraceback(
        task_id=task_id, traceback=lines or [task.error.message], parts=list(task.error.traceback)
    )


@router.get("/task/{task_id}", responses=errors(s404="No such task"), response_model_exclude_none=True)
def task_status(request: Request, task_id: TaskPath) -> schemas.TaskStatus:
    """Return the state of a task."""
    task = engine_of(request).task(task_id)
    url = f"{task_link(request, task_id)}/error" if task.state is TaskState.FAILED else None
    return schemas.TaskStatus(**task_shapes.status(task), **({"error_url": url} if url else {}))


@router.delete("/task/{task_id}", responses=errors(s404="No such task", s409="It has finished"))
def cancel_task(request: Request, task_id: TaskPath) -> schemas.Message:
    """Cancel a task; the file's old version stays."""
    engine_of(request).cancel_task(task_id)
    return schemas.Message(message=f"Cancellation signal sent for task {task_id}")


@router.post("/task/{task_id}/retry", responses=errors(s404="No such task", s409="It is live, or cannot be retried"))
def retry_task(request: Request, task_id: TaskPath) -> schemas.Message:
    """Queue a failed or cancelled task again."""
    engine_of(request).retry_task(task_id)
    return schemas.Message(message=f"Task '{task_id}' queued again.")


@router.get("/supported/types")
def supported_types() -> schemas.SupportedTypes:
    """Return what can be indexed."""
    names = [name.lstrip(".") for name in extensions()]
    return schemas.SupportedTypes(extensions=names, mimetypes=sorted(set(SUPPORTED.values())))
