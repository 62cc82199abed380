"""Run the Python examples of a Markdown page, one after the other, with the openrag of this interpreter.

python scripts/run_examples.py docs/library.md
"""

import re
import sys
from pathlib import Path


def main() -> None:
    """Run every block of ```python, each knowing what the ones before it defined."""
    page = Path(sys.argv[1])
    examples = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    if not examples:
        sys.exit(f"{page} has no example")
    known: dict[str, object] = {}
    for example in examples:
        exec(compile(example, str(page), "exec"), known)
    print(f"{page}: {len(examples)} examples: passed")


if __name__ == "__main__":
    main()
