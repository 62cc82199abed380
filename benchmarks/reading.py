"""How much of the words of real documents comes through their readers, and in their order.

    python benchmarks/reading.py FOLDER [FOLDER...]

Each document is read by openrag and by markitdown, and held against what is expected of it (`expected_outputs/`), else
its own text nodes, taken by other means than a reader (`documents/witness/`), else pypdf's reading; what was which is
printed. Kinds with none of these, and documents that are refused, are left out and counted.
Hidden text is kept for this, since neither reading beside it knows what a page hides.
Recall is the share of the witness's words that are there; order that of the longest common subsequence, over the first
4,000 words. Prints the ten worst and the medians.
"""

import bisect
import io
import re
import statistics
import sys
import warnings
from collections import Counter
from pathlib import Path

from openrag_cli.documents.convert import convert_file
from openrag_cli.documents.media_types import PDF
from openrag_cli.documents.readers.base import Limits, Source
from openrag_cli.documents.witness.texts import WITNESSES
from openrag_cli.errors import OpenRAGError

MAX_ORDERED = 4_000
WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """Return the words of a text, in lower case, without targets of links."""
    return WORD.findall(re.sub(r"\]\([^)]*\)", "] ", text.replace("\u00ad", "")).lower())


def recall(wanted: list[str], found: list[str]) -> float:
    """Return the share of the wanted words that were found, each as often as it stands."""
    return (Counter(wanted) & Counter(found)).total() / len(wanted) if wanted else 1.0


def order(wanted: list[str], found: list[str]) -> float:
    """Return the length of the longest common subsequence of words, as a share of the wanted ones."""
    wanted, found = wanted[:MAX_ORDERED], found[: 2 * MAX_ORDERED]
    places: dict[str, list[int]] = {}
    for place, word in enumerate(found):
        places.setdefault(word, []).append(place)
    ends: list[int] = []  # Hunt and Szymanski, over the places of equal words
    for word in wanted:
        for place in reversed(places.get(word, ())):
            at = bisect.bisect_left(ends, place)
            ends[at : at + 1] = [place]
    return len(ends) / len(wanted) if wanted else 1.0


def markitdown_text(path: Path) -> str:
    """Return what markitdown makes of a file, or nothing."""
    from markitdown import MarkItDown

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return str(MarkItDown(enable_plugins=False).convert_stream(io.BytesIO(path.read_bytes())).markdown)
    except Exception:  # noqa: BLE001 - it raises anything
        return ""


def reference(path: Path, media_type: str) -> tuple[str, str] | None:
    """Return (what a file is held against, its text): what is expected of it, its text nodes, pypdf's reading."""
    expected = path.parent / "expected_outputs" / f"{path.stem}.md"
    if media_type == PDF and expected.exists():
        return "expected", expected.read_text(encoding="utf-8")
    if media_type == PDF:
        return "pypdf", pypdf_text(path)
    witness = WITNESSES.get(media_type)
    if witness is None:
        return None
    return "text nodes", "\n".join(witness(Source(path, path.name, media_type, Limits(), lambda _: None)))


def pypdf_text(path: Path) -> str:
    """Return what pypdf reads of a PDF, or nothing."""
    from pypdf import PdfReader

    try:
        return "\n".join(page.extract_text() for page in PdfReader(path).pages)
    except Exception:  # noqa: BLE001 - it raises anything
        return ""


def measure(path: Path) -> tuple[str, float, float, float] | None:
    """Return (what it is held against, recall, order, markitdown's recall) of one file; None where there is nothing."""
    try:
        document = convert_file(path, path.name, keeps_hidden=True)
    except OpenRAGError:
        return None
    found = reference(path, document.media_type)
    wanted = words(found[1]) if found else []
    if not found or not wanted:
        return None
    own = words(document.markdown)
    return found[0], recall(wanted, own), order(wanted, own), recall(wanted, words(markitdown_text(path)))


def main() -> None:
    """Print the tables."""
    paths = [path for folder in sys.argv[1:] for path in sorted(Path(folder).rglob("*")) if path.is_file()]
    paths = [path for path in paths if path.parent.name != "expected_outputs"]
    results = {path: found for path in paths if (found := measure(path))}
    print(f"{len(results)} of {len(paths)} files can be held against something")
    for path, (kind, *_) in results.items():
        print(f"{path.name}: {kind}")
    print("| file | held against | recall | order | markitdown |\n| --- | --- | ---: | ---: | ---: |")
    for path, (kind, *figures) in sorted(results.items(), key=lambda entry: entry[1][1:])[:10]:
        print(f"| {path.name} | {kind} | {' | '.join(f'{figure:.3f}' for figure in figures)} |")
    medians = [statistics.median(column) for column in list(zip(*results.values(), strict=True))[1:]]
    print(f"| median | | {' | '.join(f'{figure:.3f}' for figure in medians)} |")


if __name__ == "__main__":
    main()
