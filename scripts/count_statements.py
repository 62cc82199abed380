"""Print how many statements (`ast.stmt`) the package has, folder by folder, beside what another commit had.

python scripts/count_statements.py [COMMIT]
"""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "openrag_cli"
BASE = "6f87cc1"
"""The release that the count is compared with: 0.1.0."""


def statements(source: str) -> int:
    """Return how many statements a module has, those inside others too."""
    return sum(isinstance(node, ast.stmt) for node in ast.walk(ast.parse(source)))


def room(path: str) -> str:
    """Return the folder of the package that a module is in."""
    parts = Path(path).parts
    return parts[1] if len(parts) > 2 else "(top)"


def now() -> Counter[str]:
    """Return the statements of each folder as they are."""
    found: Counter[str] = Counter()
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        found[room(str(path.relative_to(ROOT)))] += statements(path.read_text(encoding="utf-8"))
    return found


def at(commit: str) -> Counter[str] | None:
    """Return the statements of each folder at a commit; None where it is not known (a shallow clone)."""
    listed = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", commit, PACKAGE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        return None
    found: Counter[str] = Counter()
    for path in listed.stdout.splitlines():
        if path.endswith(".py"):
            shown = subprocess.run(
                ["git", "show", f"{commit}:{path}"], cwd=ROOT, capture_output=True, text=True, check=True
            )
            found[room(path)] += statements(shown.stdout)
    return found


def main() -> None:
    """Print the table."""
    commit = sys.argv[1] if len(sys.argv) > 1 else BASE
    new, old = now(), at(commit)
    old = old if old is not None else Counter()
    print(f"{'folder':14} {commit:>9} {'now':>7}")
    for name in sorted(new | old):
        print(f"{name:14} {old[name]:9,} {new[name]:7,}")
    print(f"{'all':14} {old.total():9,} {new.total():7,}")


if __name__ == "__main__":
    main()
