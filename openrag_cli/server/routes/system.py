"""Health, version, metrics and the queue."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BeforeValidator

from openrag_cli import __version__
from openrag_cli.domain import LIVE_STATES, TaskState
from openrag_cli.server import schemas
from openrag_cli.server.routes.indexer import AfterQuery, errors
from openrag_cli.server.urls import engine_of, task_details, task_facts, task_link

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
def queue_info(request: Request) -> schemas.QueueInfo:
    """Return the workers and how many tasks are in each state."""
    counts = engine_of(request).task_counts()
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


_STATES = Literal["active", "QUEUED", "SERIALIZING", "CHUNKING", "INSERTING", "COMPLETED", "FAILED", "CANCELLED"]


def _spelled(text: Any) -> Any:
    """Return a state as it is written here, whatever its case: clients of OpenRAG send lower case."""
    if not isinstance(text, str):
        return text
    return "active" if text.casefold() == "active" else text.upper()


@router.get("/queue/tasks", responses=errors(s400="`after` names no page"))
def queue_tasks(
    request: Request,
    task_status: Annotated[
        _STATES | None,
        BeforeValidator(_spelled),
        Query(description="A state in any case, or `active`; default: all"),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Tasks at most")] = 1000,
    after: AfterQuery = "",
) -> schemas.QueueTasks:
    """Return tasks, newest first."""
    states = [] if task_status is None else LIVE_STATES if task_status == "active" else [TaskState(task_status)]
    page = engine_of(request).task_page(states, limit=limit, after=after)
    return schemas.QueueTasks(
        tasks=[
            schemas.QueuedTask(
                task_id=task.id,
                state=task.state,
                details=task_details(task),
                **task_facts(task),
                url=task_link(request, task.id),
                error_url=f"{task_link(request, task.id)}/error" if task.state is TaskState.FAILED else None,
            )
            for task in page.items
        ],
        total=page.total,
        next=page.next,
    )
