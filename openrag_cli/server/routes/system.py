"""Health, version, metrics and the queue."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BeforeValidator

from openrag_cli import __version__
from openrag_cli.contract.nouns import task as task_shapes
from openrag_cli.domain import LIVE_STATES, Task, TaskState
from openrag_cli.server import schemas
from openrag_cli.server.routes.indexer import errors
from openrag_cli.server.routes.paging import AfterQuery, LimitQuery, everything
from openrag_cli.server.urls import engine_of, task_link
from openrag_cli.store.files.results import Results

router = APIRouter(tags=["system"])

_UNREADY: dict[int | str, dict[str, Any]] = {503: {"model": schemas.Health, "description": "Something is missing"}}


@router.get("/health_check")
def health_check() -> str:
    """Tell that the server answers."""
    return "RAG API is up."


@router.get("/livez")
def livez() -> schemas.Health:
    """Tell that the process runs; open without a token."""
    return schemas.Health(status="ok")


@router.get("/readyz", responses=_UNREADY)
def readyz(request: Request, response: Response) -> schemas.Health:
    """Tell whether store, model and worker are there; open without a token."""
    missing = request.app.state.readiness()
    if missing:
        response.status_code = 503
    answers = engine_of(request).llm or "extractive"
    return schemas.Health(status="unavailable" if missing else "ok", missing=missing, answers=answers)


@router.get("/version")
def version() -> schemas.Version:
    """Return the version of the package."""
    return schemas.Version(version=__version__)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request) -> Response:
    """Return the metrics in Prometheus' text format."""
    body, content_type = request.app.state.metrics.render(engine_of(request))
    return Response(body, media_type=content_type)


@router.get("/queue/info")
def queue_info(
    request: Request,
    batch: Annotated[str | None, Query(description="Count those alone that were queued under this name")] = None,
) -> schemas.QueueInfo:
    """Return the workers and how many tasks are in each state."""
    counts = engine_of(request).task_counts(batch)
    return schemas.QueueInfo(
        workers=request.app.state.workers(),
        tasks={
            "active": sum(counts[state] for state in LIVE_STATES),
            "active_statuses": {str(state): counts[state] for state in TaskState if state in LIVE_STATES},
            "total_completed": counts[TaskState.COMPLETED],
            "total_failed": counts[TaskState.FAILED],
            "total_cancelled": counts[TaskState.CANCELLED],
        },
    )


@router.post("/queue/run")
def run_queue(request: Request) -> schemas.Message:
    """See to it that what is queued is run, also where the server was started without workers."""
    request.app.state.run_queue()
    return schemas.Message(message="what is queued is run")


_STATES = Literal["active", "QUEUED", "SERIALIZING", "CHUNKING", "INSERTING", "COMPLETED", "FAILED", "CANCELLED"]


def _spelled(text: Any) -> Any:
    """Return a state as it is written here, whatever its case: clients of OpenRAG send lower case."""
    if not isinstance(text, str):
        return text
    return "active" if text.casefold() == "active" else text.upper()


@router.get("/queue/tasks", responses=errors(s400="`after` names no page"), response_model=schemas.QueueTasks)
def queue_tasks(
    request: Request,
    task_status: Annotated[
        list[Annotated[_STATES, BeforeValidator(_spelled)]],
        Query(description="A state in any case, or `active`; repeatable; default: all"),
    ] = [],
    limit: LimitQuery = None,
    after: AfterQuery = "",
) -> schemas.QueueTasks | Response:
    """Return tasks, newest first."""
    states = [state for one in task_status for state in (LIVE_STATES if one == "active" else [TaskState(one)])]
    engine = engine_of(request)

    def look(*, limit: int, offset: int = 0, after: str) -> Results[Task]:  # noqa: ARG001 - tasks are not skipped
        """Return a page of tasks."""
        return engine.tasks(states, limit=limit, after=after)

    def show(task: Task) -> schemas.QueuedTask:
        """Return a task with its links."""
        url = task_link(request, task.id)
        links = {"url": url, "error_url": f"{url}/error" if task.state is TaskState.FAILED else None}
        return schemas.QueuedTask(**task_shapes.LISTED.as_json(task), **links)

    if limit is None:
        return everything("tasks", look, show, offset=0, after=after)
    page = look(limit=limit, after=after)
    return schemas.QueueTasks(tasks=list(map(show, page)), total=page.total, next=page.next)
