"""`grep` on PDF and Word beside a second reading of them: every match, by its page and line, and none besides.

    python benchmarks/grep_documents.py STORE PARTITION FOLDER [PARTITION FOLDER ...] [--files N]

The second reading is pypdf's, page by page, and of Word the text nodes of its XML, paragraph by paragraph. For each pattern
and document the matches on each page are counted on both sides. A match of one side alone is explained where what stands
around it stands on the other's page too, but for blanks, bars of tables and breaks of lines, over which no `grep` reaches;
others are listed. Each line that is told must stand in the stored text (`file get`) at its number.
"""

import argparse
import json
import re
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

PATTERNS = ("Total", r"\b20[012][0-9]\b", "[Rr]evenue", r"\$ ?[0-9]", "the company", r"[0-9]%", r"[A-Z][a-z]+tion\b")
PROGRAM = [sys.executable, "-m", "openrag_cli"]
WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"

Counts = Counter[tuple[str, int | None, str]]


def run(store: str, *arguments: str) -> str:
    """Return what the program prints."""
    done = subprocess.run([*PROGRAM, "--store", store, *arguments], capture_output=True, text=True, check=False)
    return done.stdout


def pages_of(path: Path) -> dict[int | None, str]:
    """Return the second reading of a document by page."""
    if path.suffix == ".pdf":
        from pypdf import PdfReader

        return {n: page.extract_text() for n, page in enumerate(PdfReader(path).pages, 1)}
    root = ET.fromstring(zipfile.ZipFile(path).read("word/document.xml"))
    paragraphs = root.iter(f"{WORD}p")
    return {None: "\n".join("".join(node.text or "" for node in one.iter(f"{WORD}t")) for one in paragraphs)}


def squeezed(text: str) -> str:
    """Return a text with one blank for any run of them, lines joined: two readers break lines elsewhere."""
    return " ".join(text.split())


def bare(text: str) -> str:
    """Return the letters, digits and signs of a text, without blanks, bars of tables and marks of cells and emphasis."""
    return re.sub(r"[\s|*\\\u00ad\u2010-]+", "", text)


def stored_pages(store: str, partition: str, file_id: str) -> dict[int | None, str]:
    """Return the stored text of a document by page, as `grep` tells the page of each of its lines."""
    pages: dict[int | None, str] = {}
    for one in json.loads(run(store, "grep", "", "-p", partition, "-f", file_id, "--json"))["lines"]:
        pages[one["page"]] = pages.get(one["page"], "") + one["text"] + "\n"
    return pages


def wrong_places(store: str, partition: str, file_id: str, lines: list[dict]) -> int:
    """Return how many lines that are told do not stand in the stored text at their number, or not with their match."""
    text = run(store, "file", "get", file_id, "-p", partition).split("\n")
    n_wrong = 0
    for one in lines:
        stands = text[one["line"] - 1].rstrip("\r") == one["text"]
        n_wrong += not (stands and all(one["text"][m["start"] : m["end"]] for m in one["matches"]))
    return n_wrong


def compare(store: str, partition: str, folder: Path, n_files: int) -> None:
    """Print a line for each pattern, and the pages that differ."""
    paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    known = {entry["file_id"] for entry in json.loads(run(store, "file", "list", "-p", partition, "--json"))["files"]}
    chosen = [name for name in paths if name in known and paths[name].suffix in {".pdf", ".docx"}][:n_files]
    second = {name: pages_of(paths[name]) for name in chosen}
    n_pages = sum(map(len, second.values()))
    print(f"\n{partition}: {len(chosen)} documents, {n_pages:,} pages\n")
    print("| pattern | both | ours alone | not explained | theirs alone | not explained | at a wrong place |")
    print("|---|---|---|---|---|---|---|")
    told: list[str] = []
    texts = {name: stored_pages(store, partition, name) for name in chosen}
    for pattern in PATTERNS:
        every = json.loads(run(store, "grep", pattern, "-p", partition, "--json"))["lines"]
        found = [one for one in every if one["file_id"] in second]
        places: dict[tuple[str, int | None, str], list[str]] = {}
        for one in found:
            for match in one["matches"]:
                key = (one["file_id"], one["page"], one["text"][match["start"] : match["end"]])
                places.setdefault(key, []).append(bare(one["text"][match["start"] - 6 : match["end"] + 6]))
        ours: Counts = Counter({key: len(around) for key, around in places.items()})
        theirs: Counts = Counter()
        besides: dict[tuple[str, int | None, str], list[str]] = {}
        for name, pages in second.items():
            for page, text in pages.items():
                whole = squeezed(text)
                for match in re.finditer(pattern, whole):
                    theirs[name, page, match[0]] += 1
                    around = bare(whole[max(0, match.start() - 6) : match.end() + 6])
                    besides.setdefault((name, page, match[0]), []).append(around)
        n_wrong = sum(
            wrong_places(store, partition, name, [one for one in found if one["file_id"] == name])
            for name in {one["file_id"] for one in found}
        )
        both, alone, missing = ours & theirs, ours - theirs, theirs - ours
        row = [f"`{pattern}`", f"{both.total():,}"]
        for side, counts, around, others in (
            ("ours alone", alone, places, second),
            ("theirs alone", missing, besides, texts),
        ):
            # Explained: what stands around stands in the other reading too, but for blanks, bars and breaks.
            open_ = {
                key: n
                for key, n in counts.items()
                if not all(one in bare(others[key[0]][key[1]]) for one in around[key])
            }
            row += [f"{counts.total():,}", f"{sum(open_.values()):,}"]
            told += [f"{pattern}\t{side}\t{n}\t{key[0]} p.{key[1]}\t{around[key]}" for key, n in open_.items()]
        print("| " + " | ".join([*row, f"{n_wrong}"]) + " |", flush=True)
    print("\n".join(told), file=sys.stderr)


def main() -> None:
    """Measure one store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store")
    parser.add_argument(
        "places", nargs="+", metavar="PARTITION FOLDER", help="a partition and the folder that it holds"
    )
    parser.add_argument("--files", type=int, default=1000, help="documents of each folder at most")
    arguments = parser.parse_args()
    for partition, folder in zip(arguments.places[::2], arguments.places[1::2], strict=True):
        compare(arguments.store, partition, Path(folder).resolve(), arguments.files)


if __name__ == "__main__":
    main()
