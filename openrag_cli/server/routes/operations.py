"""What openrag's own clients do to many files at once, and what they ask about the whole store."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, StrictBool

from openrag_cli.contract import to_json as render
from openrag_cli.domain import File, TaskState, new_task_id
from openrag_cli.ingest.refresh import Refresher, RefreshRun
from openrag_cli.ingest.report import Failure
from openrag_cli.ingest.report import Report as WholeReport
from openrag_cli.server.guards.bodies import JsonRoute
from openrag_cli.server.routes.indexer import PartitionPath, errors
from openrag_cli.server.urls import engine_of

router = APIRouter(tags=["operations"], route_class=JsonRoute)

_BODY = errors(
    s400="The request is wrong", s415="The body is not JSON", s413="The body is too large", s408="It came too slowly"
)
_FILES = _BODY | errors(s404="No such partition or file")


class FileIds(BaseModel):
    """Ids of files."""

    file_ids: list[str]


class Deleted(BaseModel):
    """What was deleted, and what was not there."""

    deleted: list[str]
    missing: list[str]


class Renaming(BaseModel):
    """A file's id and its new one."""

    file_id: str
    new_id: str


class Refreshing(BaseModel):
    """Files to read again: those named, or every one of the partition; `is_outdated`: only what older readers made.

    `most_untried`: at most so many that are outdated, and none that has failed so before. `batch` names the tasks.
    """

    file_ids: list[str] = []
    is_outdated: StrictBool = False
    is_dry_run: StrictBool = False
    most_untried: int | None = Field(default=None, ge=0, strict=True)
    batch: str | None = Field(default=None, pattern="^[0-9a-f]{48}$")


class NamedFile(BaseModel):
    """A file by its names."""

    partition: str
    file_id: str


class Refreshed(BaseModel):
    """The files that are, or of a dry run would be, read again, their tasks, and what cannot be."""

    files: list[NamedFile]
    task_ids: list[str] = []
    failures: list[dict[str, Any]] = []
    unchanged: int = 0


class Pruning(BaseModel):
    """Which finished tasks to forget: of these states (none: every final one), and at least so old."""

    older_than_s: float = Field(default=0.0, ge=0.0, allow_inf_nan=False, strict=True)
    states: list[TaskState] = []


class Pruned(BaseModel):
    """How many tasks were forgotten."""

    tasks: int


class Report(BaseModel):
    """What the doctor found, check by check."""

    findings: list[dict[str, Any]]


class Overview(BaseModel):
    """The state of the store in numbers."""

    partitions: int
    files: int
    chunks: int
    waiting: int
    failed: int
    outdated: int


@router.post("/indexer/partition/{partition}/delete", responses=_FILES)
def delete_files(request: Request, partition: PartitionPath, body: FileIds) -> Deleted:
    """Delete files in one transaction, and cancel what is being done to them."""
    deleted, missing = engine_of(request).delete_files(partition, body.file_ids)
    return Deleted(deleted=deleted, missing=missing)


@router.post("/indexer/partition/{partition}/rename", responses=_FILES | errors(s409="The new id is taken"))
def rename_file(request: Request, partition: PartitionPath, body: Renaming) -> NamedFile:
    """Give a file another id; nothing is embedded again."""
    file = engine_of(request).rename_file(partition, body.file_id, body.new_id)
    return NamedFile(partition=file.partition, file_id=file.file_id)


@router.post("/indexer/partition/{partition}/refresh", responses=_FILES)
def refresh_files(request: Request, partition: PartitionPath, body: Refreshing) -> Refreshed:
    """Queue files to be read again from their kept originals; `all` is every partition."""
    engine = engine_of(request)
    files, failures = _to_refresh(engine.refresher, partition, body)
    named = [NamedFile(partition=file.partition, file_id=file.file_id) for file in files]
    told = render.report(_report(failures))["failures"]
    if body.is_dry_run:
        return Refreshed(files=named, failures=told)
    run = RefreshRun(body.batch or new_task_id(), is_detached=True)
    report = engine.refresher.refresh(files, run)
    task_ids = [task.id for task in engine.parts.ledger.tasks(batch=run.batch)]
    refused = [one for one in report.failures if one.task_id is None]  # the others are told by their tasks
    return Refreshed(
        files=named,
        task_ids=task_ids,
        failures=told + render.report(_report(refused))["failures"],
        unchanged=report.unchanged,
    )


def _to_refresh(refresher: Refresher, partition: str, body: Refreshing) -> tuple[list[File], list[Failure]]:
    if body.most_untried is None:
        return refresher.named(partition, body.file_ids, is_outdated=body.is_outdated)
    return refresher.outdated(partition, limit=body.most_untried, is_untried=True), []


def _report(failures: list[Failure]) -> WholeReport:
    return WholeReport(failures=failures)


@router.post("/indexer/prune", responses=_BODY)
def prune_tasks(request: Request, body: Pruning) -> Pruned:
    """Forget finished tasks, their logs, and the originals kept to retry those that failed."""
    return Pruned(tasks=engine_of(request).prune_tasks(older_than_s=body.older_than_s, states=body.states))


@router.get("/doctor")
def doctor(request: Request) -> Report:
    """Check settings, model, LLM, disk, store, tasks, originals and index of this server."""
    return Report(findings=[render.finding(found) for found in engine_of(request).examine()])


@router.get("/overview")
def overview(request: Request) -> Overview:
    """Return the state of the store in numbers."""
    engine = engine_of(request)
    partitions, tasks = engine.partitions(), engine.task_counts()
    return Overview(
        partitions=len(partitions),
        files=sum(partition.file_count for partition in partitions),
        chunks=sum(partition.chunk_count for partition in partitions),
        waiting=sum(n for state, n in tasks.items() if not state.is_final),
        failed=tasks.get(TaskState.FAILED, 0),
        outdated=engine.refresher.count_outdated(),
    )
