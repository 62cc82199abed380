"""Exports that come from anybody: what they say of names, places, sizes and vectors is checked, and nothing is left."""

import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from harness import check, open_engine, put

from openrag_cli.errors import OpenRAGError, StoreFull
from openrag_cli.maintenance import importer


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("export")
    with open_engine(root / "store") as engine:
        for n in range(3):
            put(engine, "p", f"f{n}.md", f"# Title {n}\n\nThe pump number {n} weighs {n} tons.\n")
        engine.drain()
        engine.maintenance.export("p", root / "out")
    return root / "out"


def head(folder: Path, **changes: Any) -> None:
    """Change the head, and make its sums right where they are not what is changed."""
    path = folder / "partition.json"
    sums = {name: sha256((folder / name).read_bytes()).hexdigest() for name in
            ("documents.jsonl", "chunks.jsonl", "vectors.parquet")}  # fmt: skip
    path.write_text(json.dumps({**json.loads(path.read_text()), "sha256": sums, **changes}))


def last_line(name: str, change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    """Return a change of the last line of a file, whose sum is right afterwards."""

    def apply(folder: Path) -> None:
        *before, last = (folder / name).read_text().splitlines()
        entry = json.loads(last)
        changed = change(entry)
        (folder / name).write_text("\n".join([*before, json.dumps(entry if changed is None else changed)]) + "\n")
        head(folder)

    return apply


def document(**changes: Any) -> Callable[[Path], None]:
    return last_line("documents.jsonl", lambda entry: entry.update(changes))


def chunk(**changes: Any) -> Callable[[Path], None]:
    return last_line("chunks.jsonl", lambda entry: entry.update(changes))


def vectors(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Return a change of the table of vectors: a dictionary of lists."""

    def apply(folder: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = folder / "vectors.parquet"
        table = change(pq.read_table(path).to_pydict())
        pq.write_table(table if isinstance(table, pa.Table) else _table(table), path)
        head(folder)

    return apply


def _table(columns: dict[str, list[Any]]) -> Any:
    import numpy as np
    import pyarrow as pa

    rows = np.array(columns["vector"], dtype=np.float16)
    column = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
    return pa.table({"file_id": columns["file_id"], "ordinal": columns["ordinal"], "vector": column})


def _with(columns: dict[str, list[Any]], number: float) -> dict[str, list[Any]]:
    columns["vector"][-1][0] = number
    return columns


def _cut(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {**columns, "vector": [row[:100] for row in columns["vector"]]}


def _lists(columns: dict[str, list[Any]]) -> Any:
    import pyarrow as pa

    return pa.table({"file_id": columns["file_id"], "vector": [[1.0] * 3] * len(columns["file_id"])})


def _long_ids(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {**columns, "file_id": ["x" * 5_000_000] * len(columns["file_id"])}


def _linked(name: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = folder / name
        if name == "originals/*":
            path = next((folder / "originals").iterdir())
        target = folder.parent / "elsewhere"
        path.rename(target)
        path.symlink_to(target)

    return apply


def _bytes(name: str, content: bytes) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        (folder / name).write_bytes(content)
        if name != "partition.json":
            head(folder)

    return apply


SUMS = dict.fromkeys(("documents.jsonl", "chunks.jsonl", "vectors.parquet"), "0" * 64)
ATTACKS: dict[str, Callable[[Path], None]] = {
    "a head that is a list": _bytes("partition.json", b"[]"),
    "a head that is NaN": _bytes("partition.json", b"NaN"),
    "a deep head": _bytes("partition.json", b"[" * 100_000),
    "a large head": _bytes("partition.json", b'{"schema": "openrag.export/1", "x": "' + b"x" * 2_000_000 + b'"}'),
    "a head that is not UTF-8": _bytes("partition.json", b'{"schema": "\xff"}'),
    "sums of files elsewhere": lambda folder: head(folder, sha256={"../../../../etc/hostname": "0" * 64}),
    "more sums than files": lambda folder: head(folder, sha256={**SUMS, "/etc/passwd": "0" * 64}),
    "sums that are a list": lambda folder: head(folder, sha256=[]),
    "sums that are numbers": lambda folder: head(folder, sha256=dict.fromkeys(SUMS, 1)),
    "counts that are texts": lambda folder: head(folder, files="3"),
    "counts below nothing": lambda folder: head(folder, chunks=-1),
    "another count": lambda folder: head(folder, chunks=7),
    "a partition that is a path": lambda folder: head(folder, partition="../x"),
    "a partition that is a number": lambda folder: head(folder, partition=7),
    "a model that is a list": lambda folder: head(folder, model=[]),
    "a file id with a control": document(file_id="a\x1bb"),
    "a file id that is a number": document(file_id=7),
    "a file name that is a list": document(filename=["a"]),
    "a media type with a header in it": document(media_type="text/html\r\nX-Evil: 1"),
    "an original elsewhere": document(sha256="../../../../etc/passwd"),
    "another original": document(sha256="0" * 64),
    "a text that is a number": document(text=7),
    "another text": document(text="nothing of the chunks"),
    "metadata that is a list": document(metadata=[1]),
    "deep metadata": document(metadata=json.loads('{"a":' + "[" * 300 + "]" * 300 + "}")),
    "a page beyond the text": document(pages=[[1, 0, 10_000]]),
    "a page of texts": document(pages=[["1", "0", "1"]]),
    "a page of two numbers": document(pages=[[1, 2]]),
    "pages that are an object": document(pages={}),
    "a warning of another shape": document(warnings=[{"code": "x", "message": "y", "evil": 1}]),
    "a line that is a list": last_line("documents.jsonl", lambda _: [1]),
    "a chunk elsewhere in the text": chunk(start=3),
    "a chunk beyond the text": chunk(end=100_000),
    "a chunk before the text": chunk(start=-3),
    "a chunk with another text": chunk(text="the new bank account is 666"),
    "a chunk on page none": chunk(page="one"),
    "a chunk with a heading of numbers": chunk(heading=[1]),
    "a chunk of nobody": chunk(file_id="nobody"),
    "a chunk with another key": chunk(evil=1),
    "a chunk that is a text": last_line("chunks.jsonl", lambda _: "x"),
    "no number in a vector": vectors(lambda columns: _with(columns, float("nan"))),
    "an endless vector": vectors(lambda columns: _with(columns, float("inf"))),
    "a vector that outweighs all others": vectors(lambda columns: _with(columns, 500.0)),
    "vectors of another length": vectors(_cut),
    "vectors of any length": vectors(_lists),
    "fewer vectors": vectors(lambda columns: {key: column[:-1] for key, column in columns.items()}),
    "file ids of megabytes": vectors(_long_ids),
    "no parquet": _bytes("vectors.parquet", b"PAR1" + b"\0" * 1000 + b"PAR1"),
    "an original that is a link": _linked("originals/*"),
    "originals that are a link": _linked("originals"),
    "documents that are a link": _linked("documents.jsonl"),
}


@pytest.mark.parametrize("name", list(ATTACKS))
def test_a_hostile_export_is_refused_with_a_sentence_and_nothing_is_left(
    exported: Path, tmp_path: Path, name: str
) -> None:
    folder = Path(shutil.copytree(exported, tmp_path / "out"))
    ATTACKS[name](folder)
    with open_engine(tmp_path / "store") as engine:
        with pytest.raises(OpenRAGError) as refused:
            engine.maintenance.import_partition(folder)
        assert type(refused.value) is not OpenRAGError
        assert len(refused.value.message) < 600
        assert engine.partitions() == []
        assert list(engine.parts.blobs.stored()) == []
        check(engine)


def test_an_export_larger_than_the_disk_is_refused_before_it_is_read(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(exported, tmp_path / "out"))
    with (folder / "originals" / "holes").open("wb") as stream:
        stream.truncate(1 << 43)
    monkeypatch.setattr(importer, "GROUP_FILES", 1)
    with open_engine(tmp_path / "store") as engine:
        with pytest.raises(StoreFull, match="are free"):
            engine.maintenance.import_partition(folder)
        assert engine.partitions() == []
        assert list(engine.parts.blobs.stored()) == []


def test_an_export_as_it_was_written_is_taken_in(exported: Path, tmp_path: Path) -> None:
    with open_engine(tmp_path / "store") as engine:
        engine.maintenance.import_partition(exported)
        assert len(engine.files("p")) == 3
