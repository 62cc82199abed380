"""What commands share that list or show one noun: JSON, or lines for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from openrag_cli.cli.output import YELLOW
from openrag_cli.contract import to_json as render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from openrag_cli.cli.commands.context import Context
    from openrag_cli.cli.output import Column, Output
    from openrag_cli.domain import DocumentWarning

T = TypeVar("T")


def show_list(
    out: Output,
    name: str,
    found: Sequence[T],
    as_json: Callable[[T], render.Json],
    *,
    columns: Sequence[Column],
    as_row: Callable[[T], Sequence[Any]],
    empty: str,
) -> None:
    """Print a whole list, as JSON under its `name`, or as a table; `empty` is said where there is nothing."""
    if out.is_json:
        out.json(render.listing(name, map(as_json, found)))
    else:
        out.table(columns, [as_row(one) for one in found], empty=empty)


def show_record(out: Output, name: str, body: render.Json, warnings: Iterable[DocumentWarning]) -> None:
    """Print one noun: as JSON of that `name`, or a line for each key, and for each warning of its reader."""
    if out.is_json:
        out.json(render.document(name, body))
        return
    width = max(map(len, body))
    for key, value in body.items():
        if key != "warnings":
            out.line(f"{key:{width}}  {value['message'] if key == 'error' and value else _plain(value)}".rstrip())
    for warning in warnings:
        out.line(f"{'warning':{width}}  {warning.sentence}")


def _plain(value: Any) -> Any:
    """Return a value as people write it: of a mapping what it holds."""
    if not isinstance(value, dict):
        return value
    return ", ".join(
        f"{key}: {json.dumps(of_key, ensure_ascii=False) if isinstance(of_key, dict | list) else of_key}"
        for key, of_key in value.items()
    )


def show_filter_warnings(context: Context, warnings: Sequence[DocumentWarning]) -> None:
    """Say what a filter may have got wrong; with --json the output says it."""
    if not context.out.is_json:
        tell_warnings(context.out, warnings)


def tell_warnings(out: Output, warnings: Sequence[DocumentWarning]) -> None:
    """Print warnings, one a line."""
    for warning in warnings:
        out.warn(f"{out.styled('warning:', YELLOW)} {warning.message}")


def human_size(n_bytes: int) -> str:
    """Return a size for a person, in powers of 1024: 512 B, 1.5 KiB, 3.0 MiB."""
    size = float(n_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
