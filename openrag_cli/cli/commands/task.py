"""`openrag task`: what is being indexed, what failed and why."""

import re
import time
from collections.abc import Iterable, Sequence
from typing import Annotated

import typer

from openrag_cli.cli.commands.context import Context
from openrag_cli.cli.commands.listing import show_record
from openrag_cli.cli.commands.options import LinesOption
from openrag_cli.cli.commands.pages import AfterOption, LimitOption, show_rest
from openrag_cli.cli.exit_codes import ExitCode
from openrag_cli.cli.output import Column
from openrag_cli.contract import to_json as render
from openrag_cli.domain import Task, TaskState, is_task_id
from openrag_cli.errors import Conflict, InvalidInput, NotFound, WrongUsage
from openrag_cli.store.metadata import rfc3339

app = typer.Typer(help="See, wait for, retry, cancel and run indexing tasks.", no_args_is_help=True)

SHORT_ID = 16
"""Characters of an id that a terminal shows, at least: 12 of its time and some that are random."""


def _whole_id(ctx: typer.Context, given: str) -> str:
    """Return the id of the one task that begins like this; what begins none as it is. Raises: WrongUsage, of several."""
    context: Context | None = ctx.obj
    if context is None or is_task_id(given) or not given:
        return given
    found = [task.id for task in context.engine.tasks(limit=-1) if task.id.startswith(given)]
    if len(found) > 1:
        raise WrongUsage(f"{len(found):,} tasks begin with '{given}'", hint="give more of the id: openrag task list")
    return found[0] if found else given


def _whole_ids(ctx: typer.Context, given: list[str] | None) -> list[str] | None:
    return given and [_whole_id(ctx, one) for one in given]


_ID_HELP = "Id of the task, or its beginning: see openrag task list."
_IDS_HELP = "Ids of tasks, or their beginnings."
TaskArgument = Annotated[str, typer.Argument(metavar="ID", help=_ID_HELP, callback=_whole_id)]
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@app.command("list")
def list_tasks(
    context: Context,
    state: Annotated[
        list[TaskState],
        typer.Option(
            case_sensitive=False,
            metavar="STATE",
            help=f"Only tasks in this state: {', '.join(TaskState)}. Repeatable. Default: all.",
        ),
    ] = [],  # noqa: B006 - Typer reads the default, nobody changes it
    limit: LimitOption = 50,
    after: AfterOption = "",
    jsonl: LinesOption = False,
) -> None:
    """List tasks, newest first.

    Examples:

        openrag task list --state FAILED

        openrag task list --json --limit -1 | jq '.tasks | length'
    """
    tasks = context.engine.tasks(state, limit=limit, after=after)
    if jsonl:
        context.out.json_lines(render.document("task", render.task(task)) for task in tasks)
    elif context.out.is_json:
        context.out.json(render.page("tasks", tasks, render.task))
    else:
        _show_tasks(context, tasks)
    show_rest(context, tasks, "task")


def _short(ids: Sequence[str]) -> dict[str, str]:
    """Return beginnings of ids that tell them apart; any command takes them."""
    length = SHORT_ID
    while len({one[:length] for one in ids}) < len(ids):
        length += 1
    return {one: one[:length] for one in ids}


def _show_tasks(context: Context, tasks: Sequence[Task]) -> None:
    columns = (
        Column("TASK"),
        Column("STATE"),
        Column("FILE", may_shrink=True),
        Column("UPDATED", is_optional=True),
        Column("NOTE", may_shrink=True, is_optional=True, is_prose=True),
    )
    shown = _short([task.id for task in tasks]) if context.out.is_terminal else {}
    rows = [
        (
            shown.get(task.id, task.id),
            task.state,
            f"{task.upload.partition}/{task.upload.file_id}",
            context.out.time(task.updated_at),
            _note(task),
        )
        for task in tasks
    ]
    context.out.table(columns, rows, empty="no tasks")


def _note(task: Task) -> str:
    """Return why a task failed, or what its reader warned of."""
    if task.error:
        return task.error.message
    from openrag_cli.cli.commands.add import warning_line

    return warning_line(task.warnings) if task.warnings else ""


@app.command("show")
def show(context: Context, task_id: TaskArgument) -> None:
    """Show one task.

    Example:

        openrag task show 019…
    """
    task = context.engine.task(task_id)
    show_record(context.out, "task", render.task(task), task.warnings)


@app.command("log")
def log(
    context: Context,
    task_id: TaskArgument,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the task has finished. Default: off.")
    ] = False,
) -> None:
    """Print a task's log, oldest line first.

    Example:

        openrag task log 019… -f
    """
    lines = context.engine.task_log(task_id)
    if context.out.is_json:
        context.out.json(render.document("tasklog", {"task_id": task_id, "lines": list(map(render.log_line, lines))}))
        return
    n_shown = 0
    while True:
        is_final = context.engine.task(task_id).state.is_final
        for line in lines[n_shown:]:
            context.out.line(f"{rfc3339(line.at)} {line.level} {line.message}")
        context.out.flush()
        n_shown = len(lines)
        if is_final or not follow:
            return
        time.sleep(0.5)
        lines = context.engine.task_log(task_id)


@app.command("error")
def error(
    context: Context,
    task_id: TaskArgument,
    full: Annotated[bool, typer.Option("--traceback", help="Add the lines for an engineer. Default: off.")] = False,
) -> None:
    """Say why a task failed, and what to do.

    Example:

        openrag task error 019…
    """
    task = context.engine.task(task_id)
    if task.error is None:
        raise NotFound(
            f"No error found for task '{task_id}'.", hint=f"it is {task.state}: openrag task log {task_id}"
        )
    if context.out.is_json:
        body = {
            "task_id": task_id,
            **(render.task(task)["error"] or {}),
            "traceback": context.engine.task_traceback(task_id),
        }
        context.out.json(render.document("taskerror", body))
        return
    context.out.line(f"{task.upload.file_id}: {task.error.message}")
    if full or context.is_debug:
        context.out.line("".join(context.engine.task_traceback(task_id)).rstrip())
    context.out.hint(task.error.hint)


@app.command("wait")
def wait(
    context: Context,
    task_ids: Annotated[list[str], typer.Argument(metavar="ID...", help=_IDS_HELP, callback=_whole_ids)],
    timeout: Annotated[
        float | None, typer.Option(metavar="S", help="Seconds to wait at most. Default: for ever.")
    ] = None,
) -> int:
    """Wait until tasks have finished; exit 3 when one has failed, 124 when the time is up.

    Example:

        openrag task wait 019… --timeout 60
    """
    tasks = context.engine.wait_tasks(task_ids, timeout_s=timeout)
    body = render.listing("tasks", map(render.task, tasks))
    context.out.record(body, *(f"{task.id}\t{task.state}" for task in tasks))
    return ExitCode.OK if all(task.state is TaskState.COMPLETED for task in tasks) else ExitCode.PARTIAL


@app.command("retry")
def retry(
    context: Context,
    task_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help=_IDS_HELP, callback=_whole_ids)
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Retry every failed task that can be. Default: off.")
    ] = False,
) -> int:
    """Queue failed or cancelled tasks again; then `openrag task run` or a server runs them.

    Never what is older than the file that is there now, and nothing of a deleted file: that is refused, and said.

    Example:

        openrag task retry --failed && openrag task run
    """
    if not task_ids and not failed:
        raise InvalidInput("no task was named", hint="give ids, or --failed")
    retried: list[Task] = []
    refused: list[tuple[Task, Conflict]] = []
    if not failed and task_ids and len(task_ids) == 1:
        retried.append(context.engine.retry_task(task_ids[0]))
    else:
        failures = context.engine.tasks([TaskState.FAILED]) if failed else []
        wanted = [*(context.engine.task(task_id) for task_id in task_ids or []), *failures]
        retried, refused = _retry(context, wanted)
    if context.out.is_json:
        entries = [{"task_id": task.id, "code": exc.code, "message": exc.message} for task, exc in refused]
        body = {"tasks": [render.task(task) for task in retried], "refused": entries}
        context.out.json(render.document("retried", body))
    else:
        for task, exc in refused:
            context.out.note(f"left alone: {task.upload.partition}/{task.upload.file_id}: {exc.message}")
        context.out.note(f"queued {render.counted(len(retried), 'task')} again")
    return ExitCode.PARTIAL if refused else ExitCode.OK


def _retry(context: Context, wanted: Iterable[Task]) -> tuple[list[Task], list[tuple[Task, Conflict]]]:
    """Queue tasks again, the newest of each file; return them, and those refused with the reason."""
    retried: list[Task] = []
    refused: list[tuple[Task, Conflict]] = []
    for task in sorted({task.id: task for task in wanted}.values(), key=lambda task: task.id, reverse=True):
        try:
            retried.append(context.engine.retry_task(task.id))
        except Conflict as exc:
            refused.append((task, exc))
    return retried, refused


@app.command("cancel")
def cancel(
    context: Context,
    task_ids: Annotated[list[str], typer.Argument(metavar="ID...", help=_IDS_HELP, callback=_whole_ids)],
) -> None:
    """Cancel tasks that have not finished; a file's old version stays.

    Example:

        openrag task cancel 019…
    """
    tasks = [context.engine.cancel_task(task_id) for task_id in task_ids]
    context.out.outcome(
        render.listing("tasks", map(render.task, tasks)), f"cancelled {render.counted(len(tasks), 'task')}"
    )


@app.command("run")
def run(ctx: typer.Context) -> int:
    """Run every queued task here and now.

    Example:

        openrag file add ~/docs --detach && openrag task run
    """
    from openrag_cli.cli.commands.add import drain

    return drain(ctx.obj)


@app.command("prune")
def prune(
    context: Context,
    older_than: Annotated[str, typer.Option(metavar="AGE", help="Least age: a number with s, m, h or d.")] = "7d",
    state: Annotated[
        list[TaskState],
        typer.Option(
            case_sensitive=False,
            metavar="STATE",
            help="Only tasks in this final state: COMPLETED, FAILED or CANCELLED. Repeatable. Default: any.",
        ),
    ] = [],  # noqa: B006
) -> None:
    """Forget finished tasks, their logs, and the originals kept to retry those that failed.

    Example:

        openrag task prune --older-than 30d --state COMPLETED
    """
    n_pruned = context.engine.prune_tasks(older_than_s=_seconds(older_than), states=state)
    context.out.outcome(render.document("pruned", {"tasks": n_pruned}), f"forgot {render.counted(n_pruned, 'task')}")


def _seconds(age: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", age.strip())
    if match is None:
        raise InvalidInput(f"the age {age!r} is not a number with s, m, h or d", hint="for example --older-than 7d")
    return float(match[1]) * _UNITS[match[2]]
