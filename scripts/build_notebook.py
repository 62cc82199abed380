"""Make `examples/openai_guide.ipynb` from the script beside it, and run it against a server.

    OPENRAG_URL=http://127.0.0.1:8080 python scripts/build_notebook.py

The server must hold `examples/handbook` in the partition `handbook`. Cells begin with `# %%`; those marked
`[markdown]` are text. Needs `pip install nbclient ipykernel`.
"""

from pathlib import Path

import nbformat
from nbclient import NotebookClient

SCRIPT = Path(__file__).parent.parent / "examples" / "openai_guide.py"
NOTEBOOK = SCRIPT.with_suffix(".ipynb")


def cells(script: str) -> list[tuple[str, str]]:
    """Return the cells of a script as (kind, source), kind being `markdown` or `code`."""
    found = []
    for part in script.split("# %%")[1:]:
        head, _, body = part.partition("\n")
        if "[markdown]" in head:
            lines = [line.removeprefix("#").removeprefix(" ") for line in body.strip().splitlines()]
            found.append(("markdown", "\n".join(lines)))
        else:
            found.append(("code", body.strip()))
    return found


def make(script: str) -> nbformat.NotebookNode:
    """Return the notebook of a script, not run; its cells have stable ids."""
    notebook = nbformat.v4.new_notebook()
    for number, (kind, source) in enumerate(cells(script)):
        new = nbformat.v4.new_markdown_cell if kind == "markdown" else nbformat.v4.new_code_cell
        notebook.cells.append(new(source, id=f"cell-{number}"))
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return notebook


def main() -> None:
    """Make it, run it, write it."""
    notebook = make(SCRIPT.read_text(encoding="utf-8"))
    NotebookClient(notebook, timeout=120).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times of this run
    nbformat.write(notebook, NOTEBOOK)


if __name__ == "__main__":
    main()
