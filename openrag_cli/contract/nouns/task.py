"""A task."""

from __future__ import annotations

from dataclasses import asdict

from openrag_cli.contract.nouns.file import WARNING, read_warnings, time
from openrag_cli.contract.nouns.shape import (
    ANY_OBJECT,
    COUNT,
    TEXT,
    TIME,
    Field,
    Json,
    Shape,
    also,
    list_of,
    maybe,
    sometimes,
    without_nulls,
)
from openrag_cli.domain import Task, TaskError, TaskKind, TaskState, Upload
from openrag_cli.store.metadata import rfc3339

ERROR: Shape[TaskError] = Shape(
    Field("code", TEXT, lambda value: value.code),
    Field("message", TEXT, lambda value: value.message),
    Field("hint", maybe(TEXT), lambda value: value.hint),
    Field("stage", maybe(TEXT), lambda value: value.stage),
)
SHAPE: Shape[Task] = Shape(
    Field("task_id", TEXT, lambda value: value.id),
    Field("kind", {"enum": [str(kind) for kind in TaskKind]}, lambda value: value.kind),
    Field("state", {"enum": [str(state) for state in TaskState]}, lambda value: value.state),
    Field("partition", TEXT, lambda value: value.upload.partition),
    Field("file_id", TEXT, lambda value: value.upload.file_id),
    Field("filename", TEXT, lambda value: value.upload.filename),
    Field("attempts", COUNT, lambda value: value.attempts),
    Field("error", maybe(ERROR.schema), lambda value: ERROR.as_json(value.error) if value.error else None),
    Field("created_at", TIME, lambda value: rfc3339(value.created_at)),
    Field("updated_at", TIME, lambda value: rfc3339(value.updated_at)),
    Field("warnings", list_of(WARNING), lambda value: [asdict(warning) for warning in value.warnings]),
)
_DETAILS = SHAPE.only("partition", "file_id", "filename").also(
    Field("metadata", ANY_OBJECT, lambda value: value.upload.metadata)
)
_FACTS = SHAPE.only("task_id", "kind", "attempts", "error", "created_at", "updated_at", "warnings").also(
    Field("details", _DETAILS.schema, _DETAILS.as_json)
)
LISTED = _FACTS.also(*SHAPE.only("state").fields)
"""A task in a listing, over HTTP."""
STATUS = _FACTS.also(Field("task_state", SHAPE.only("state").fields[0].schema, lambda value: value.state))
"""A task by itself, over HTTP, where what is not there is left out."""
STATUS_SCHEMA = without_nulls(sometimes(STATUS.schema, error_url=TEXT))
LISTED_SCHEMA = sometimes(also(LISTED.schema, url=TEXT), error_url=maybe(TEXT))


def status(value: Task) -> Json:
    """Return a task by itself; of one that failed, `details` has the sentence too."""
    body = STATUS.as_json(value)
    told = {"error": value.error.message} if value.error else {}
    return body | {"details": body["details"] | told}


def read(entry: Json) -> Task:
    """Return a task from its status, or from a listing."""
    details, error = entry["details"], entry.get("error")
    names = (details["partition"], details["file_id"], entry["task_id"], details["filename"])
    return Task(
        id=entry["task_id"],
        kind=TaskKind(entry["kind"]),
        state=TaskState(entry["task_state"] if "task_state" in entry else entry["state"]),
        upload=Upload(*names, "", 0, "", details["metadata"]),
        attempts=entry["attempts"],
        worker=None,
        error=TaskError(**error) if error else None,
        created_at=time(entry["created_at"]),
        updated_at=time(entry["updated_at"]),
        warnings=read_warnings(entry),
    )
