"""What a sync did, for a person and as JSON."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from openrag_cli.cli.commands.add import SHOWN_FAILURES, duration, show_skipped, show_warnings
from openrag_cli.cli.commands.ignored_now import tell_ignored
from openrag_cli.cli.exit_codes import ExitCode
from openrag_cli.cli.output import Column
from openrag_cli.contract import to_json as render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openrag_cli.cli.commands.context import Context
    from openrag_cli.sync.outcome import SyncOptions, SyncOutcome


def code_of(outcome: SyncOutcome) -> ExitCode:
    """Return the exit code of a sync that came to its end."""
    return ExitCode.PARTIAL if outcome.refusal or outcome.report.failures else ExitCode.OK


def merged(bodies: Sequence[render.Json]) -> render.Json:
    """Return the reports of several folders as one: counts added, lists joined."""
    total = dict(bodies[0])
    for body in bodies[1:]:
        for key, value in body.items():
            if key == "plan":
                total[key] = {name: total[key][name] + entries for name, entries in value.items()}
            elif key == "skipped":
                total[key] = dict(Counter(total[key]) + Counter(value))
            elif key not in {"schema", "dry_run"}:
                total[key] = total[key] + value
    return total


def show(
    context: Context, outcome: SyncOutcome, options: SyncOptions, *, is_stopped: bool, name: str = ""
) -> render.Json:
    """Print what a sync did, for a person; return it as JSON."""
    out = context.out
    n_queued = 0 if outcome.is_dry_run else context.engine.count_live(options.batch)
    body = render.sync(outcome) | {"queued": n_queued}
    if out.is_json:
        return body
    if outcome.is_dry_run:
        _show_plan(context, outcome)
    out.note(name + _summary(outcome, n_queued=n_queued, is_stopped=is_stopped))
    show_skipped(context, outcome.report)
    tell_ignored(context, outcome.n_ignored_now, "--delete removes what the folder no longer has")
    show_warnings(context, outcome.report)
    _tell_what_failed_earlier(context, outcome)
    new = outcome.report.failures[: len(outcome.report.failures) - _n_earlier(outcome)]
    for failure in new[:SHOWN_FAILURES]:
        out.warn(f"{out.styled('failed:', '31')} {failure.path or failure.file_id}: {failure.message}")
    if len(new) > SHOWN_FAILURES:
        out.warn(f"... and {len(new) - SHOWN_FAILURES:,} more: openrag task list --state FAILED")
    if new:
        out.hint(new[0].hint)
    return body


def _tell_what_failed_earlier(context: Context, outcome: SyncOutcome) -> None:
    """With -q, where no summary tells why the exit code is 3, say it in one line."""
    if context.out.is_quiet and (n_earlier := _n_earlier(outcome)):
        what = f"{render.counted(n_earlier, 'file')} failed earlier and did not change"
        context.out.warn(f"{what}: openrag task list --state FAILED")


def _show_plan(context: Context, outcome: SyncOutcome) -> None:
    plan = outcome.plan
    rows = [("add", file_id, "") for file_id in plan.adds]
    rows += [("replace", file_id, "") for file_id in plan.replaces]
    rows += [("move", move.target, move.source) for move in plan.moves]
    rows += [("delete", file_id, "") for file_id in plan.deletes]
    columns = (Column("ACTION"), Column("FILE", may_shrink=True), Column("FROM", may_shrink=True))
    if rows:
        context.out.table(
            columns if plan.moves else columns[:2], [row[: 2 + bool(plan.moves)] for row in rows], empty=""
        )


def _n_earlier(outcome: SyncOutcome) -> int:
    """Return how many of the failures are of earlier runs; those of kinds without a reader may be skipped instead."""
    earlier = set(outcome.plan.failed.values())
    return sum(one.task_id in earlier for one in outcome.report.failures)


def _summary(outcome: SyncOutcome, *, n_queued: int, is_stopped: bool) -> str:
    """Return the one line that tells all."""
    report, plan = outcome.report, outcome.plan
    counts = {
        "added": report.added,
        "replaced": report.replaced,
        "moved": report.moved,
        "deleted": report.deleted,
        "read again": outcome.n_refreshed,
        "failed": len(report.failures) - _n_earlier(outcome),
        "failed earlier": _n_earlier(outcome),
        "gone but kept": len(plan.gone),
        "left for the next run": n_queued,
    }
    done = [f"{n:,} {what}" for what, n in counts.items() if n]
    if report.unchanged or not done:
        done.append(f"{report.unchanged:,} unchanged")
    text = ", ".join(done)
    n_files = render.counted(outcome.n_files, "file")
    if outcome.is_dry_run:
        return f"dry run, {n_files}: {text}"
    return f"{'stopped' if is_stopped else 'synced'} {n_files} in {duration(report.seconds)}: {text}"
