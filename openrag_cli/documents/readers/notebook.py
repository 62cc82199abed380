"""Jupyter notebooks: nbformat 4, and the formats 2 and 3 of IPython before it."""

import json
from typing import Any

from openrag_cli.documents.media_types import IPYNB
from openrag_cli.documents.readers.base import Source, cut, parser_errors
from openrag_cli.documents.readers.plain import read_decoded
from openrag_cli.documents.terminal import without_sequences
from openrag_cli.domain import Document
from openrag_cli.errors import IngestError

_TEXT_OUTPUTS = ("text/plain", "text/markdown", "text/latex")


def read_notebook(source: Source) -> Document:
    """Read a notebook: Markdown cells as they are, code and its text output in fences.

    A cell that is not what a cell should be is left out, with a note.

    Raises:
        IngestError: corrupt.
    """
    text, warnings = read_decoded(source)
    with parser_errors("notebook"):
        notebook = json.loads(text)
        cells = _cells(notebook)
        if not cells:
            raise IngestError(
                "the notebook has no cells", reason="corrupt", hint="open it in Jupyter, save it again, and add that"
            )
        language = _language(notebook)
        blocks = [_cell_markdown(cell, language) for cell in cells]
    for _ in range(_n_odd(notebook)):
        source.notes.leave_out("damaged cell", code="damaged_part")
    markdown, cuts = cut("\n\n".join(block for block in blocks if block), source.limits.max_chars)
    return Document(markdown, media_type=IPYNB, has_headings=True, warnings=warnings + cuts)


def _all_cells(notebook: Any) -> list[Any]:
    if not isinstance(notebook, dict):
        return []
    worksheets = notebook.get("worksheets")  # before nbformat 4
    sheets = [notebook, *(worksheets if isinstance(worksheets, list) else [])]
    cells = (sheet.get("cells") for sheet in sheets if isinstance(sheet, dict))
    return [cell for some in cells if isinstance(some, list) for cell in some]


def _cells(notebook: Any) -> list[dict[str, Any]]:
    return [cell for cell in _all_cells(notebook) if isinstance(cell, dict)]


def _n_odd(notebook: Any) -> int:
    return sum(not isinstance(cell, dict) for cell in _all_cells(notebook))


def _language(notebook: dict[str, Any]) -> str:
    metadata = notebook.get("metadata")
    for name, key in (("kernelspec", "language"), ("language_info", "name")):
        known = metadata.get(name) if isinstance(metadata, dict) else None
        if isinstance(known, dict) and isinstance(known.get(key), str):
            return str(known[key])
    return "python"


def _cell_markdown(cell: dict[str, Any], language: str) -> str:
    body = _joined(cell.get("source", cell.get("input", "")))
    kind = cell.get("cell_type")
    if kind == "heading":  # before nbformat 4
        level = cell.get("level")
        return f"{'#' * min(6, max(1, level if isinstance(level, int) else 1))} {' '.join(body.split())}"
    if kind != "code":
        return body
    named = cell.get("language")
    parts = [f"```{named if isinstance(named, str) else language}\n{body}\n```"] if body.strip() else []
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else []:
        shown = _output_text(output) if isinstance(output, dict) else ""
        if shown.strip():
            parts.append(f"```\n{shown.rstrip()}\n```")
    return "\n\n".join(parts)


def _output_text(output: dict[str, Any]) -> str:
    data = output.get("data")
    values = data if isinstance(data, dict) else {}
    shown = output.get("text") or next((values[name] for name in _TEXT_OUTPUTS if values.get(name)), "")
    if not shown and output.get("ename"):
        shown = f"{output['ename']}: {output.get('evalue', '')}"
    return without_sequences(_joined(shown))[0]


def _joined(lines: Any) -> str:
    return lines if isinstance(lines, str) else "".join(map(str, lines)) if isinstance(lines, list) else ""
