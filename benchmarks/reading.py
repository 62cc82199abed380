"""How much of a document's words is read, and in which order: every document of a folder against a second reading.

    python benchmarks/reading.py ../shared/data/formats [--ours FOLDER]

The second reading is, first that applies: `expected_outputs/NAME.md`; the text nodes of the XML (DOCX, PPTX, ODT, EPUB,
HTML); python-calamine (XLSX, XLS); pypdf (PDF); the decoded text itself. Recall is the share of the second reading's
words that are in ours, as often; order is the longest common subsequence of words over their number. markitdown reads
the same files in the same run. Printed: a line for each document with what it was compared with, the medians, the ten
worst.
"""

import argparse
import io
import json
import re
import statistics
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from openrag_cli.documents.convert import convert_file
from openrag_cli.documents.encoding import NotText, decode_text
from openrag_cli.documents.witness import page_texts
from openrag_cli.errors import OpenRAGError

_WORD = re.compile(r"\w+")
_MAX_WORDS = 60_000
_BREAKS = {"p", "br", "tab", "tr", "tc", "h", "s", "line-break", "table-cell", "cr"}
_SKIPPED = {"del", "delText", "instrText", "tracked-changes", "Fallback", "fldData"}


@dataclass(frozen=True, slots=True)
class Row:
    """One document: what it was compared with, and (recall, order) of ours and of markitdown."""

    name: str
    compared: str
    n_words: int
    ours: tuple[float, float]
    other: tuple[float, float] | None


def words(text: str) -> list[str]:
    """Return the words of a text in lower case, without the marks of Markdown."""
    plain = re.sub(r"\]\([^()\s]*\)|<!--.*?-->", " ", text.replace("\\_", "_"))
    return _WORD.findall(plain.lower())[:_MAX_WORDS]


def compared(reference: list[str], found: list[str]) -> tuple[float, float]:
    """Return (recall, order) of the found words."""
    n = max(1, len(reference))
    kept = sum((Counter(reference) & Counter(found)).values())
    return kept / n, common_subsequence(reference, found) / n


def common_subsequence(one: list[str], other: list[str]) -> int:
    """Return the length of the longest common subsequence, by bits of one large number (Hyyro 2004)."""
    places: dict[str, int] = {}
    for at, word in enumerate(one):
        places[word] = places.get(word, 0) | 1 << at
    mask = (1 << len(one)) - 1
    row = mask
    for word in other:
        hit = row & places.get(word, 0)
        row = ((row + hit) | (row - hit)) & mask
    return len(one) - row.bit_count()


def second_reading(path: Path) -> tuple[str, str] | None:
    """Return (what it is, text) of another reading; None where there is none."""
    expected = path.parent / "expected_outputs" / f"{path.stem}.md"
    if expected.is_file() and path.suffix == ".pdf" and expected.stat().st_size:
        return "expected", expected.read_text(encoding="utf-8")
    by_kind: dict[str, tuple[str, Callable[[Path], str]]] = {
        ".docx": ("XML", lambda p: _parts(p, r"word/(document|footnotes|endnotes|comments)\d*\.xml")),
        ".pptx": ("XML", lambda p: _parts(p, r"ppt/slides/slide\d+\.xml")),
        ".odt": ("XML", lambda p: _parts(p, r"content\.xml")),
        ".epub": ("XML", _book),
        ".html": ("text nodes", lambda p: " ".join(page_texts(decode_text(p.read_bytes())[0]))),
        ".xlsx": ("calamine", _workbook),
        ".xls": ("calamine", _workbook),
        ".pdf": ("pypdf", _pdf),
        ".xml": ("text nodes", lambda p: " ".join(page_texts(_xml_text(p.read_bytes())))),
        ".ipynb": ("cells", _cells),
    }
    kind = by_kind.get(path.suffix.lower())
    if kind is not None:
        return kind[0], kind[1](path)
    try:
        return "text", decode_text(path.read_bytes())[0]
    except NotText:
        return None


def _parts(path: Path, pattern: str) -> str:
    with zipfile.ZipFile(path) as archive:
        names = sorted((n for n in archive.namelist() if re.fullmatch(pattern, n)), key=lambda n: (len(n), n))
        return " ".join(_xml_text(archive.read(name)) for name in names)


def _xml_text(content: bytes) -> str:
    pieces: list[str] = []

    def walk(node: ET.Element) -> None:
        name = node.tag.rpartition("}")[2]
        if name in _SKIPPED:
            return
        pieces.append(" " if name in _BREAKS else "")
        pieces.append(node.text or "")
        for part in node:
            walk(part)
            pieces.append(part.tail or "")
        pieces.append(" " if name in _BREAKS else "")

    walk(ET.fromstring(content))
    return "".join(pieces)


def _book(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        pages = [name for name in archive.namelist() if name.endswith((".xhtml", ".html", ".htm"))]
        return " ".join(" ".join(page_texts(archive.read(name).decode("utf-8", "replace"))) for name in sorted(pages))


def _workbook(path: Path) -> str:
    from python_calamine import CalamineWorkbook

    book = CalamineWorkbook.from_path(str(path))
    cells = []
    for name in book.sheet_names:
        cells.append(name)
        for row in book.get_sheet_by_name(name).to_python():
            cells += [str(int(c)) if isinstance(c, float) and c.is_integer() else str(c) for c in row]
    return " ".join(cells)


def _cells(path: Path) -> str:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells)


def _pdf(path: Path) -> str:
    from pypdf import PdfReader

    return "\n".join(page.extract_text() for page in PdfReader(path).pages)


def by_markitdown(path: Path) -> str | None:
    """Return what markitdown makes of a file; None where it reads it not."""
    from markitdown import MarkItDown, StreamInfo

    try:
        info = StreamInfo(extension=path.suffix.lower(), filename=path.name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return str(MarkItDown().convert_stream(io.BytesIO(path.read_bytes()), stream_info=info).markdown)
    except Exception:  # noqa: BLE001 - another program, on files of any kind
        return None


def read(path: Path) -> Row | None:
    """Compare one document; None for one that is refused, or has no second reading."""
    try:
        ours = convert_file(path, path.name).markdown
        reference = second_reading(path)
    except (OpenRAGError, ET.ParseError, ImportError, ValueError, KeyError) as exc:
        print(f"{path.name:52.52} not compared: {exc}")
        return None
    if reference is None or not words(reference[1]):
        return None
    wanted = words(reference[1])
    other = by_markitdown(path)
    theirs = compared(wanted, words(other)) if other is not None else None
    return Row(path.name, reference[0], len(wanted), compared(wanted, words(ours)), theirs)


def shown(pair: tuple[float, float] | None) -> str:
    """Return two shares as text."""
    return f"{pair[0]:7.3f}{pair[1]:7.3f}" if pair else "      -      -"


def main() -> None:
    """Read every document of the folders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help="folders of documents")
    options = parser.parse_args()
    paths = sorted(p for folder in options.folders for p in folder.rglob("*") if p.is_file())
    paths = [p for p in paths if "expected_outputs" not in p.parts and p.suffix not in {"", ".in"}]
    rows = [row for path in paths if (row := read(path)) is not None]
    print(f"{'document':52}{'compared with':14}{'words':>7}  {'ours: recall, order':^19}  markitdown")
    for row in rows:
        print(f"{row.name:52.52}{row.compared:14}{row.n_words:7,}  {shown(row.ours)}       {shown(row.other)}")
    print(f"\n{len(rows)} documents; medians:")
    recall, order = (statistics.median(row.ours[at] for row in rows) for at in (0, 1))
    print(f"  ours        recall {recall:.3f}, order {order:.3f}")
    both = [row for row in rows if row.other is not None]
    if both:
        recall, order = (statistics.median(row.other[at] for row in both if row.other) for at in (0, 1))
        own, own_order = (statistics.median(row.ours[at] for row in both) for at in (0, 1))
        print(f"  markitdown  recall {recall:.3f}, order {order:.3f} on the {len(both)} that it reads (ours on these")
        print(f"              recall {own:.3f}, order {own_order:.3f})")
    print("ten worst by recall:")
    for row in sorted(rows, key=lambda row: row.ours[0])[:10]:
        print(f"  {row.name:52.52}{row.compared:14}{shown(row.ours)}")


if __name__ == "__main__":
    main()
