"""A line of a statement with what it needs to be read: its row, its unit, its columns."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from openrag_cli.answering.quoting.blocks import figures_of

_ONE = re.compile(r"[$€£¥]?\s?\(?[-\u2212]?[$€£¥]?\s?\d[\d.,]*(?:\s?%)?(?:\s?\)(?:\s?%)?)?|[$€£¥]?\s?[\u2014\u2013]")
_COLUMN = re.compile(
    r"(?:(?:FY|Fiscal|[A-Z][a-z]+\.? \d{1,2},)\s?)?\b(?:19|20)\d\d\b|\bFY ?\d\d\b|\bQ[1-4](?: \d{4})?\b|\bTotal\b|\bChange\b"
)
_UNIT = re.compile(
    r"\(?(?:[$€£¥] )?\(?(?:dollars |amounts |figures )?(?:\w+ )?\bin (?:thousands|millions|billions)\b[^)]*\)?",
    re.IGNORECASE,
)
_FURNITURE = re.compile(r"^(?:table of contents|contents|index|page \d+|\d+)$", re.IGNORECASE)
_MAX_TITLE_LINES = 3


@dataclass(frozen=True, slots=True)
class Row:
    """Line `number` of a block: its label, and itself with title, unit and columns as Markdown."""

    number: int
    label: str
    title: str
    shown: str


def rows(lines: Sequence[str], above: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of a statement; `above` are lines that stand over its first one elsewhere."""
    heads = [line.strip() for line in above if line.strip()]
    group = ""
    seen = False
    for number, line in enumerate(lines):
        found = figures_of(line)
        text = line.strip()
        if found is None:
            is_columns = len(_COLUMN.findall(text)) > 1
            if is_columns and seen:
                heads = [head for head in heads if not _COLUMN.search(head)] + [text]
            elif not seen or _UNIT.search(text):
                heads.append(text)
            group = text.rstrip(":") if text.endswith(":") else ""
            continue
        seen = True
        label, figures = found
        yield Row(
            number, label if not group else f"{group}: {label}", _title(heads), _shown(heads, label, figures, text)
        )


def _title(heads: Sequence[str]) -> str:
    kept = [head for head in heads if not _FURNITURE.match(head) and len(_COLUMN.findall(head)) < 2]
    return ", ".join(line.rstrip(" ,;") for line in kept[-_MAX_TITLE_LINES:])


def _shown(heads: Sequence[str], label: str, figures: str, line: str) -> str:
    values = [" ".join(one.split()) for one in _ONE.findall(figures)]
    columns = _columns(heads, len(values))
    title = _title(heads)
    unit = next((match[0].strip("() ") for head in heads if (match := _UNIT.search(head))), "")
    if columns and len(columns) == len(values):
        table = "\n".join(
            [_cells([unit, *columns]), _cells(["---", *["---:"] * len(values)]), _cells([label, *values])]
        )
        return f"{title}\n\n{table}" if title else table
    kept = [head for head in heads if not _FURNITURE.match(head)][-(_MAX_TITLE_LINES + 1) :]
    return "\n".join(["```text", *kept, line, "```"])


def _columns(heads: Sequence[str], n_values: int) -> list[str]:
    """Return the columns that the last head with some names; or those of all heads together, where each names one."""
    last = next((found for head in reversed(heads) if (found := _COLUMN.findall(head))), [])
    if len(last) == n_values:
        return last
    together = _COLUMN.findall(" ".join(heads))
    return together if len(together) == n_values else last


def _cells(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
