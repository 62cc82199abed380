"""Backups that want to write elsewhere, fill the disk or memory, or crash what reads them: refused, and nothing is left."""

import io
import json
import tarfile
import tracemalloc
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from harness import open_engine, put

from openrag_cli.errors import InvalidInput, OpenRAGError, StoreDamaged, StoreFull, StoreMismatch, TooLarge
from openrag_cli.maintenance.restore import restore
from openrag_cli.maintenance.tar_members import Members
from openrag_cli.store.database import FORMAT

MAX_MEMORY_BYTES = 50_000_000
DATABASE = b"SQLite format 3\0" + b"\0" * 44 + FORMAT.to_bytes(4, "big") + b"\0" * 36


class Pipe(io.RawIOBase):
    """A stream that can be read once, from front to back."""

    def __init__(self, content: bytes) -> None:
        self._stream = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(size)


def manifest(sums: dict[str, bytes], **changes: object) -> bytes:
    body = {
        "schema": "openrag.backup/1",
        "format": FORMAT,
        "sha256": {n: sha256(c).hexdigest() for n, c in sums.items()},
    }
    return json.dumps({**body, **changes}).encode()


def archive(
    *members: tuple[str, bytes | tarfile.TarInfo], text: bytes | None = None, form: int = tarfile.PAX_FORMAT
) -> bytes:
    """Return an archive of a catalog and these members, with the manifest `text`, or a right one."""
    target = io.BytesIO()
    plain = {"openrag.db": DATABASE} | {name: what for name, what in members if isinstance(what, bytes)}
    every: list[tuple[str, bytes | tarfile.TarInfo]] = [("openrag.db", DATABASE), *members]
    every.append(("manifest.json", manifest(plain) if text is None else text))
    with tarfile.open(fileobj=target, mode="w", format=form) as made:
        for name, what in every:
            if isinstance(what, tarfile.TarInfo):
                what.name = name
                made.addfile(what)
                continue
            member = tarfile.TarInfo(name)
            member.size = len(what)
            made.addfile(member, io.BytesIO(what))
    return target.getvalue()


def of(kind: bytes, **values: object) -> tarfile.TarInfo:
    member = tarfile.TarInfo("x")
    member.type = kind
    for name, value in values.items():
        setattr(member, name, value)
    return member


def declared(size: int, name: str = "lance/x") -> bytes:
    """Return an archive whose last member says that it has `size` bytes, and ends there."""
    whole = archive()
    member = tarfile.TarInfo(name)
    member.size = size
    return whole[: 512 + 512] + member.tobuf(tarfile.GNU_FORMAT)


def sparse() -> bytes:
    """Return an old GNU sparse member of a few bytes that says it is 3 GB."""
    header = bytearray(tarfile.TarInfo("lance/x").tobuf(tarfile.GNU_FORMAT))
    header[156:157] = b"S"
    header[483:495] = tarfile.itn(3_000_000_000, 12, tarfile.GNU_FORMAT)
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + archive()


DEEP = b'{"schema": "openrag.backup/1", "format": 1, "sha256": ' + b"[" * 300 + b"]" * 300 + b"}"
ARCHIVES: dict[str, tuple[bytes, type[OpenRAGError] | tuple[type[OpenRAGError], ...]]] = {
    "a sparse file of 3 GB": (sparse(), InvalidInput),
    "a pax sparse file": (archive(("lance/x", of(b"0", pax_headers={"GNU.sparse.major": "1"}))), InvalidInput),
    "a size beyond the disk": (declared(1 << 55), (StoreFull, StoreDamaged)),
    "a size in pax of no number": (archive(("lance/x", of(b"0", pax_headers={"size": "-5"}))), InvalidInput),
    "a header of 200 KB": (archive(("lance/x", of(b"0", pax_headers={"a": "x" * 200_000}))), InvalidInput),
    "a link": (archive(("lance/x", of(tarfile.SYMTYPE, linkname="/etc/passwd"))), InvalidInput),
    "a hard link": (archive(("lance/x", of(tarfile.LNKTYPE, linkname="openrag.db"))), InvalidInput),
    "a device": (archive(("lance/x", of(tarfile.CHRTYPE))), InvalidInput),
    "a pipe": (archive(("lance/x", of(tarfile.FIFOTYPE))), InvalidInput),
    "a folder": (archive(("lance/x", of(tarfile.DIRTYPE))), InvalidInput),
    "a GNU long name": (archive(("lance/" + "x" * 300, b"1"), form=tarfile.GNU_FORMAT), InvalidInput),
    "an absolute path": (archive(("/etc/x", b"1")), InvalidInput),
    "a path upwards": (archive(("lance/../../x", b"1")), InvalidInput),
    "a path with dots": (archive(("lance/./x", b"1")), InvalidInput),
    "a path with two slashes": (archive(("lance//x", b"1")), InvalidInput),
    "a file below the catalog": (archive(("openrag.db/x", b"1")), InvalidInput),
    "a journal of the catalog": (archive(("openrag.db-wal", b"1")), InvalidInput),
    "a control character": (archive(("lance/\x1b[2Jx", b"1")), InvalidInput),
    "a name that is not UTF-8": (archive(("lance/\udcff", b"1"), form=tarfile.GNU_FORMAT), InvalidInput),
    "a long name": (archive(("lance/" + "x" * 256, b"1")), InvalidInput),
    "a deep name": (archive(("lance" + "/x" * 40, b"1")), InvalidInput),
    "a file that is a folder": (archive(("lance/x", b"1"), ("lance/x/y", b"2")), InvalidInput),
    "a file twice": (archive(("lance/x", b"1"), ("lance/x", b"2")), InvalidInput),
    "the catalog twice": (archive(("openrag.db", DATABASE)), InvalidInput),
    "something after the manifest": (archive(("manifest.json", manifest({"openrag.db": DATABASE}))), InvalidInput),
    "no tar": (b"x" * 5000, InvalidInput),
    "nothing": (b"", InvalidInput),
    "a manifest that is a list": (archive(text=b"[]"), StoreDamaged),
    "a manifest that is NaN": (archive(text=b"NaN"), StoreDamaged),
    "a deep manifest": (archive(text=DEEP), StoreDamaged),
    "a very deep manifest": (archive(text=b"[" * 1000), StoreDamaged),
    "a large manifest": (archive(text=manifest({"openrag.db": DATABASE}) + b" " * 100_000), StoreDamaged),
    "a manifest that is not UTF-8": (archive(text=b'{"a": "\xff"}'), StoreDamaged),
    "sums that are a list": (archive(text=manifest({}, sha256=[1])), StoreDamaged),
    "sums that are numbers": (archive(text=manifest({}, sha256={"openrag.db": 1})), StoreDamaged),
    "no sums": (archive(text=manifest({}, sha256=None)), StoreDamaged),
    "a sum of a file that is not there": (archive(text=manifest({"openrag.db": DATABASE, "lance/x": b""})), StoreDamaged),
    "a file without a sum": (archive(("lance/x", b"1"), text=manifest({"openrag.db": DATABASE})), StoreDamaged),
    "another sum": (archive(text=manifest({"openrag.db": b"other"})), StoreDamaged),
    "a format that is a text": (archive(text=manifest({"openrag.db": DATABASE}, format="9")), StoreDamaged),
    "a format that is true": (archive(text=manifest({"openrag.db": DATABASE}, format=True)), StoreDamaged),
    "a format of the future": (archive(text=manifest({}, format=FORMAT + 1)), StoreMismatch),
    "a format that is a list": (archive(text=manifest({"openrag.db": DATABASE}, format=[])), StoreDamaged),
    "another schema": (archive(text=manifest({}, schema="x" * 10)), StoreMismatch),
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "place"
    folder.mkdir()
    yield folder
    assert list(folder.iterdir()) == [], "nothing is left behind"


@pytest.mark.parametrize("through", [io.BytesIO, Pipe])
@pytest.mark.parametrize("name", list(ARCHIVES))
def test_a_hostile_backup_is_refused_with_a_sentence(place: Path, name: str, through: type) -> None:
    content, error = ARCHIVES[name]
    stream = through(content)
    tracemalloc.start()
    try:
        with pytest.raises(error) as refused:
            restore(stream, place / "store")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refused.value.message.isprintable()
    assert len(refused.value.message) < 400
    assert peak < MAX_MEMORY_BYTES


def test_what_can_be_read_twice_is_checked_before_a_byte_is_written(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    def refuse(*_: object, **__: object) -> str:
        raise AssertionError("a folder was made")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(StoreDamaged):
        restore(io.BytesIO(archive(("lance/x", b"1" * 100_000), text=b"[]")), place / "store")


def test_a_backup_of_too_many_files_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import openrag_cli.limits as table

    changed = {**table._BY_KEY, "backup_members": table.Limit("backup_members", "a backup", 3, "members", TooLarge)}
    monkeypatch.setattr(table, "_BY_KEY", changed)
    with pytest.raises(TooLarge, match="3 are taken"):
        restore(Pipe(archive(*((f"lance/{n}", b"1") for n in range(9)))), place / "store")


@pytest.mark.parametrize(
    "catalog",
    [b"", b"no database", b"SQLite format 3\0" + b"\0" * 84, DATABASE[:62]],
    ids=["empty", "text", "0", "short"],
)
def test_a_catalog_that_is_no_store_of_openrag_is_refused(place: Path, catalog: bytes) -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as made:
        for name, content in (("openrag.db", catalog), ("manifest.json", manifest({"openrag.db": catalog}))):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    with pytest.raises(StoreDamaged, match="no database"):
        restore(io.BytesIO(target.getvalue()), place / "store")


def test_long_names_and_every_kind_of_stream_are_read_as_tarfile_reads_them(tmp_path: Path) -> None:
    inner = {"openrag.db": DATABASE, "lance/" + "/".join("n" * 90 for _ in range(3)): b"x" * 1000, "blobs/ü": b""}
    content = archive(*list(inner.items())[1:])
    members = Members(Pipe(content))
    found = {member.name: b"".join(members.blocks()) for member in members}
    del found["manifest.json"]
    assert found == inner
    assert restore(Pipe(content), tmp_path / "a") == restore(io.BytesIO(content), tmp_path / "b") == 3


def test_a_real_backup_goes_both_ways(tmp_path: Path) -> None:
    target = io.BytesIO()
    with open_engine(tmp_path / "one") as engine:
        put(engine, "p", "a", "the pump weighs two tons")
        engine.drain()
        engine.maintenance.back_up(target)
    for number, stream in enumerate((io.BytesIO(target.getvalue()), Pipe(target.getvalue()))):
        restore(stream, tmp_path / f"again{number}")
        with open_engine(tmp_path / f"again{number}") as engine:
            assert [file.file_id for file in engine.files("p")] == ["a"]
