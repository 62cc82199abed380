"""How much of the words of real documents comes through their readers, and in their order.

    python benchmarks/reading.py FOLDER [FOLDER...]

Each document is read by openrag and by markitdown, and held against its own text nodes, taken by other means than a
reader (`documents/witness.py`); kinds without a witness, and documents that are refused, are left out and counted.
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
from openrag_cli.documents.media_types import HEAD_BYTES, media_type_of
from openrag_cli.documents.readers.base import Limits, Source
from openrag_cli.documents.witness import WITNESSES
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


def measure(path: Path) -> tuple[float, float, float] | None:
    """Return (recall, order, markitdown's recall) of one file; None where there is nothing to hold it against."""
    try:
        document = convert_file(path, path.name)
        media_type = media_type_of(path.name, path.read_bytes()[: 64 * HEAD_BYTES])
    except OpenRAGError:
        return None
    witness = WITNESSES.get(document.media_type)
    if witness is None:
        return None
    wanted = words("\n".join(witness(Source(path, path.name, media_type, Limits(), lambda _: None))))
    if not wanted:
        return None
    found = words(document.markdown)
    return recall(wanted, found), order(wanted, found), recall(wanted, words(markitdown_text(path)))


def main() -> None:
    """Print the table."""
    paths = [path for folder in sys.argv[1:] for path in sorted(Path(folder).rglob("*")) if path.is_file()]
    results = {path: found for path in paths if (found := measure(path))}
    print(f"{len(results)} of {len(paths)} files held against their text nodes")
    print("| file | recall | order | markitdown |\n| --- | ---: | ---: | ---: |")
    for path, figures in sorted(results.items(), key=lambda entry: entry[1])[:10]:
        print(f"| {path.name} | {' | '.join(f'{figure:.3f}' for figure in figures)} |")
    medians = [statistics.median(column) for column in zip(*results.values(), strict=True)]
    print(f"| median | {' | '.join(f'{figure:.3f}' for figure in medians)} |")


if __name__ == "__main__":
    main()
