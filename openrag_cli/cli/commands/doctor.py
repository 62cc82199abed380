"""`openrag doctor`: is everything in order, and what mends what is not."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from openrag_cli.cli.commands.context import Context
from openrag_cli.cli.exit_codes import ExitCode
from openrag_cli.cli.output import CYAN, GREEN, RED, YELLOW
from openrag_cli.config import settings as config
from openrag_cli.contract import to_json as render

if TYPE_CHECKING:
    from openrag_cli.maintenance.checks.findings import Finding

COLORS = {"ok": GREEN, "warning": YELLOW, "failed": RED}
NAME_COLUMNS = 20
MIN_TEXT = 30  # columns of a finding; where there is less room, it stands below its name
"""Where the sentences begin, in columns."""


def doctor(
    context: Context,
    fix: Annotated[
        bool, typer.Option("--fix", help="Mend what can be mended here, and say so. Default: off.")
    ] = False,
) -> int:
    """Check settings, model, LLM, disk, store, tasks, originals and index. Exit 1 when a check failed.

    Examples:

        openrag doctor

        openrag doctor --json | jq -r '.findings[] | select(.status != "ok") | .text'

        openrag doctor --fix
    """
    from openrag_cli.maintenance.checks.surroundings import examine_settings

    if config.problems():
        return _report(context, list(examine_settings()), [])
    findings = context.engine.examine()
    mended: list[str] = []
    if fix:
        mended = [f"{finding.name}: {finding.mend()}" for finding in findings if finding.mend is not None]
        findings = context.engine.examine() if mended else findings
    return _report(context, findings, mended)


def _report(context: Context, findings: "Sequence[Finding]", mended: list[str]) -> int:
    if context.out.is_json:
        context.out.json(_as_json(findings, mended))
    else:
        _show(context, findings, mended)
    return ExitCode.NO if any(finding.status == "failed" for finding in findings) else ExitCode.OK


def _as_json(findings: "Sequence[Finding]", mended: list[str]) -> render.Json:
    return render.document("doctor", {"findings": list(map(render.finding, findings)), "mended": mended})


def _show(context: Context, findings: "Sequence[Finding]", mended: list[str]) -> None:
    out = context.out
    for finding in findings:
        is_narrow = out.width < NAME_COLUMNS + MIN_TEXT
        indent = " " * (4 if is_narrow else NAME_COLUMNS)
        lines = textwrap.wrap(finding.text, max(10, out.width - len(indent)), break_on_hyphens=False)
        mark = out.styled(f"{finding.status:8}", COLORS[finding.status])
        first = f"\n{indent}" if is_narrow else " "
        out.line(f"{mark} {finding.name:{NAME_COLUMNS - 10}}{first}{lines[0]}")
        for line in lines[1:]:
            out.line(indent + line)
        if finding.fix and finding.status != "ok":
            out.line(indent + out.styled("hint: ", CYAN) + finding.fix)
    for line in mended:
        out.line(f"{out.styled('mended', GREEN)}   {line}")
