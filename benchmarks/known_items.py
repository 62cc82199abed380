"""Known items and exact lines over the documents that people try first: the page of a name, and `grep` beside `grep -r`.

    python benchmarks/known_items.py ../shared/data [--store DIR]

tldr pages: for each query of questions/known-tldr.tsv, whether a page of one of those names is among the first two files. Of
a documentation, whether the title of a page finds that page.
Then, over all documents (tldr, PEPs, haystack, PDF and Word of the formats), each line that `grep -rE` finds in the text
files and `openrag grep` does not, and the other way round; and what is found in PDF and DOCX, by page and line.
"""

import argparse
import csv
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

PATTERNS = ("DocumentSplitter", r"tar -[cx]", "[Dd]eprecat(ed|ion)", r"PEP 8[0-9]{2}\b", "nobody writes this")
PROGRAM = [sys.executable, "-m", "openrag_cli"]
N_TITLES = 100
TEXTS = (".md", ".mdx", ".rst", ".txt")


def run(store: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the program on the store."""
    return subprocess.run(
        [*PROGRAM, "--store", str(store), *arguments], capture_output=True, text=True, errors="replace", check=False
    )


def known_items(store: Path) -> None:
    """Print the queries whose page is not among the first two files, and the share of the others."""
    questions = Path(__file__).parent / "questions" / "known-tldr.tsv"
    with questions.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    n_right = 0
    print("| query | wanted | first two |\n|---|---|---|")
    for row in rows:
        found = run(store, "search", row["query"], "-p", "tldr", "--per-file", "1", "-k", "2", "--json")
        names = [Path(hit["file_id"]).stem for hit in json.loads(found.stdout)["hits"]]
        if set(names) & set(row["pages"].split()):
            n_right += 1
        else:
            print(f"| {row['query']} | {row['pages']} | {' '.join(names)} |")
    print(f"\npage of the name in the first two: {n_right} of {len(rows)} ({n_right / len(rows):.2f})\n")


def titles(store: Path, partition: str) -> None:
    """Print how often the title of a document, asked for as it is, brings a document of that title first."""
    of_id = {
        file["file_id"]: file["document_metadata"]["title"]
        for file in json.loads(run(store, "file", "list", "-p", partition, "--json").stdout)["files"]
        if file["document_metadata"].get("title")
    }
    asked = random.Random(3).sample(sorted(set(of_id.values())), N_TITLES)
    print(f"| {partition}, of {N_TITLES} titles | first | in the first two |\n|---|---|---|")
    for mode in ("hybrid", "text"):
        places = []
        for title in asked:
            told = run(
                store, "search", "-p", partition, "--mode", mode, "--per-file", "1", "-k", "2", "--json", "--", title
            )
            found = [of_id.get(hit["file_id"]) for hit in json.loads(told.stdout)["hits"]]
            places.append(found.index(title) if title in found else len(found))
        print(f"| {mode} | {places.count(0) / N_TITLES:.2f} | {sum(place < 2 for place in places) / N_TITLES:.2f} |")
    print()


def exact_lines(store: Path, folders: dict[str, Path]) -> None:
    """Print, for each pattern, the lines of `grep -rE`, what one finds and the other does not, and those in documents."""
    print("| pattern | lines of grep -r | missing | besides | in PDF, DOCX |\n|---|---|---|---|---|")
    for pattern in PATTERNS:
        of_grep: set[tuple[str, int]] = set()
        ours: set[tuple[str, int]] = set()
        in_documents = 0
        for name, folder in folders.items():
            told = run(store, "grep", pattern, "-p", name, "--json")
            for entry in json.loads(told.stdout)["lines"]:
                if entry["file_id"].endswith(TEXTS):
                    ours.add((f"{name}/{entry['file_id']}", entry["line"]))
                else:
                    in_documents += 1
            includes = [f"--include=*{end}" for end in TEXTS]
            plain = subprocess.run(
                ["grep", "-rnE", *includes, "--", pattern, "."], cwd=folder, capture_output=True, text=True,
                errors="replace", check=False,
            )  # fmt: skip
            for line in plain.stdout.splitlines():
                path, number, _ = line.split(":", 2)
                of_grep.add((f"{name}/{path[2:]}", int(number)))
        print(f"| `{pattern}` | {len(of_grep):,} | {len(of_grep - ours)} | {len(ours - of_grep)} | {in_documents} |")


def main() -> None:
    """Index what is not indexed yet, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with docs/ and formats/")
    parser.add_argument("--store", type=Path, help="keep the store here; default: a temporary one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        store = arguments.store or Path(scratch) / "store"
        folders = {path.name: path for path in sorted((arguments.data / "docs").iterdir()) if path.is_dir()}
        folders |= {name: arguments.data / "formats" / name for name in ("pdf", "office-and-web")}
        folders = {name: path.resolve() for name, path in folders.items() if path.is_dir()}
        for name, folder in folders.items():
            print(run(store, "file", "sync", str(folder), "-p", name).stderr.splitlines()[0], file=sys.stderr)
        known_items(store)
        titles(store, "haystack-docs-mdx")
        exact_lines(store, folders)


if __name__ == "__main__":
    main()
