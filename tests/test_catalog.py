"""The catalog and its file: facts about the store, partitions, files, and stores that must be refused."""

import importlib.resources
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openrag_cli.domain import Document, Page, TaskKind, Upload, new_task_id
from openrag_cli.errors import (
    ConfigError,
    Conflict,
    DocumentNotFound,
    InvalidInput,
    PartitionNotFound,
    StoreBusy,
    StoreDamaged,
    StoreMismatch,
)
from openrag_cli.store.catalog import Catalog
from openrag_cli.store.database import FORMAT, Database
from openrag_cli.store.names import check_file_id, check_partition
from openrag_cli.store.publish import Completion
from openrag_cli.store.task_queue import TaskQueue


def open_catalog(folder: Path) -> Catalog:
    return Catalog(Database(folder / "openrag.db"))


def add_file(
    catalog: Catalog, partition: str, file_id: str, document: Document | None = None, chunk_count: int = 2
) -> str:
    """Put a file in the catalog the way a worker does; return its revision."""
    queue = TaskQueue(catalog._db)
    upload = Upload(partition, file_id, new_task_id(), "f.md", "text/markdown", 1, "0" * 64, {"n": 1, "keep": "é"})
    queue.submit([upload], kind=TaskKind.ADD, batch="b")
    completions = [Completion(task, document or Document("x"), chunk_count) for task in queue.claim("w", limit=1)]
    assert len(queue.complete(completions)) == 1
    return upload.revision


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return open_catalog(tmp_path / "store")


# --- partitions and files


def test_a_partition_counts_its_files_and_chunks(catalog: Catalog) -> None:
    catalog.create_partition("empty")
    add_file(catalog, "full", "a", chunk_count=3)
    add_file(catalog, "full", "b", chunk_count=4)
    assert [(p.name, p.file_count, p.chunk_count) for p in catalog.partitions()] == [("empty", 0, 0), ("full", 2, 7)]
    with pytest.raises(Conflict):
        catalog.create_partition("full")
    with pytest.raises(PartitionNotFound):
        catalog.partition("none")


def test_a_partition_made_again_under_its_old_name_has_a_new_number(catalog: Catalog) -> None:
    catalog.create_partition("p")
    first = catalog.partition_ids(["p"])
    catalog.delete_partition("p")
    catalog.create_partition("p")
    assert catalog.partition_ids(["p"]) != first


def test_deleting_a_partition_retires_its_files_and_only_those(catalog: Catalog) -> None:
    gone, kept = add_file(catalog, "p", "a"), add_file(catalog, "q", "a")
    assert catalog.delete_partition("p") == 1
    assert catalog.tombstones() == [gone]
    assert [file.revision for file in catalog.files("all")] == [kept]
    with pytest.raises(PartitionNotFound):
        catalog.delete_partition("p")


def test_deleting_names_what_it_deleted_and_what_was_not_there(catalog: Catalog) -> None:
    add_file(catalog, "p", "a")
    assert catalog.delete_files("p", ["a", "none", "a"]) == (["a"], ["none"])
    assert catalog.delete_files("p", ["a"]) == ([], ["a"])


def test_files_come_in_pages_by_id(catalog: Catalog) -> None:
    for name in "cab":
        add_file(catalog, "p", name)
    assert [file.file_id for file in catalog.files("p")] == ["a", "b", "c"]
    assert [file.file_id for file in catalog.files("p", limit=1, offset=1)] == ["b"]
    with pytest.raises(PartitionNotFound):
        catalog.files("none")


def test_editing_metadata_merges_and_removes_and_changes_no_revision(catalog: Catalog) -> None:
    revision = add_file(catalog, "p", "a")
    file = catalog.edit_metadata("p", "a", {"n": 2, "new": [1, {"deep": None}]}, remove=["keep", "absent"])
    assert file.metadata == {"n": 2, "new": [1, {"deep": None}]}
    assert file.revision == revision
    assert catalog.file("p", "a") == file
    with pytest.raises(DocumentNotFound):
        catalog.edit_metadata("p", "none", {})


ODD_TEXT = st.text(min_size=1, max_size=40)


def legal(text: str, check: object) -> bool:
    try:
        return check(text) == text  # type: ignore[operator]
    except InvalidInput:
        return False


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    partition=ODD_TEXT.filter(lambda text: legal(text, check_partition)),
    file_ids=st.lists(ODD_TEXT.filter(lambda text: legal(text, check_file_id)), min_size=1, max_size=4, unique=True),
    markdown=st.text(),
)
def test_any_legal_name_and_any_text_round_trip(
    partition: str, file_ids: list[str], markdown: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    catalog = open_catalog(tmp_path_factory.mktemp("odd") / "store")
    document = Document(markdown, (Page(1, 0, len(markdown)),))
    revisions = {file_id: add_file(catalog, partition, file_id, document) for file_id in file_ids}
    assert {file.file_id: file.revision for file in catalog.files(partition)} == revisions
    assert catalog.files_by_id(partition, [*file_ids, "' OR 1=1"]).keys() == revisions.keys()
    found = catalog.document(revisions[file_ids[0]])
    assert found.pages == document.pages
    assert found.markdown == markdown.encode("utf-8", "replace").decode()
    assert catalog.delete_files(partition, file_ids[:1]) == (file_ids[:1], [])
    assert len(catalog.files(partition)) == len(file_ids) - 1
    catalog._db.close()


def test_visible_knows_current_revisions_only(catalog: Catalog) -> None:
    revision = add_file(catalog, "p", "a")
    assert catalog.files_by_revision([revision, "f" * 48, "'"]).keys() == {revision}
    catalog.delete_files("p", ["a"])
    assert catalog.files_by_revision([revision]) == {}


def test_a_lost_or_damaged_text_is_reported(catalog: Catalog) -> None:
    revision = add_file(catalog, "p", "a", Document("some text"))
    with catalog._db.transaction() as connection:
        connection.execute("UPDATE document SET markdown = x'789c00ff'")
    with pytest.raises(StoreDamaged):
        catalog.document(revision)
    with catalog._db.transaction() as connection:
        connection.execute("DELETE FROM document")
    with pytest.raises(StoreDamaged):
        catalog.document(revision)


# --- the store and its model


def test_a_store_is_bound_to_its_first_model(catalog: Catalog) -> None:
    catalog.check_model("one@1")
    catalog.check_model("one@1")
    with pytest.raises(StoreMismatch, match="one@1"):
        catalog.check_model("two@2")


def test_of_many_models_at_once_one_wins(catalog: Catalog) -> None:
    def bind(n: int) -> bool:
        try:
            catalog.check_model(f"model@{n}")
        except StoreMismatch:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(bind, range(16))) == 1


def test_the_store_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    open_catalog(tmp_path / "store").partitions()
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "store" / "openrag.db").stat().st_mode & 0o777 == 0o600


def test_commits_are_fsynced_and_journalled_ahead(catalog: Catalog) -> None:
    assert catalog._db.rows("PRAGMA journal_mode")[0][0] == "wal"
    assert catalog._db.rows("PRAGMA synchronous")[0][0] == 2
    assert catalog._db.rows("PRAGMA foreign_keys")[0][0] == 1


def test_a_store_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    open_catalog(tmp_path).partitions()
    connection = sqlite3.connect(tmp_path / "openrag.db")
    connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    connection.close()
    with pytest.raises(StoreMismatch, match=f"format {FORMAT + 1}"):
        open_catalog(tmp_path).partitions()


def test_a_store_of_the_first_format_is_brought_up_to_date_with_its_files(tmp_path: Path) -> None:
    scripts = importlib.resources.files("openrag_cli.store") / "schema"
    connection = sqlite3.connect(tmp_path / "openrag.db")
    connection.executescript((scripts / "001_store.sql").read_text() + "PRAGMA user_version = 1;")
    connection.execute("INSERT INTO partition (name, created_at) VALUES ('old', 0)")
    connection.commit()
    connection.close()
    catalog = open_catalog(tmp_path)
    assert [partition.name for partition in catalog.partitions()] == ["old"]
    assert catalog._db.rows("PRAGMA user_version")[0][0] == FORMAT == len(list(scripts.iterdir()))
    assert catalog._db.rows("SELECT count(*) FROM session")[0][0] == 0


def test_a_folder_with_other_files_is_not_a_store_and_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not a store"):
        open_catalog(tmp_path).partitions()
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("name", ["lance", "blobs"])
@pytest.mark.parametrize("left", ["nothing", "empty file"])
def test_a_store_that_lost_its_catalog_is_damaged_and_gets_no_new_one(tmp_path: Path, name: str, left: str) -> None:
    (tmp_path / name).mkdir()
    if left == "empty file":
        (tmp_path / "openrag.db").touch()
    with pytest.raises((StoreDamaged, ConfigError)) as caught:
        open_catalog(tmp_path).partitions()
    assert name == "blobs" or caught.type is StoreDamaged
    assert not (tmp_path / "openrag.db").exists() or (tmp_path / "openrag.db").stat().st_size < 5000


@pytest.mark.parametrize("content", [b"this is not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_file_that_is_no_database_is_damage(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "openrag.db").write_bytes(content)
    with pytest.raises(StoreDamaged):
        open_catalog(tmp_path).partitions()


def test_damaged_pages_of_the_catalog_are_reported(tmp_path: Path) -> None:
    catalog = open_catalog(tmp_path)
    for n in range(30):
        add_file(catalog, "p", f"file{n}", Document("words " * 50))
    catalog._db.close()
    path = tmp_path / "openrag.db"
    content = bytearray(path.read_bytes())
    content[4096:] = bytes(len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StoreDamaged):
        open_catalog(tmp_path).files("all")


def test_the_write_lock_is_exclusive_and_given_up_after_its_timeout(catalog: Catalog) -> None:
    catalog.partitions()
    with catalog._db.write_lock():
        other = Database(catalog._db.path)
        with pytest.raises(StoreBusy), other.write_lock(timeout_s=0):
            pass
    with other.write_lock(timeout_s=0):
        pass


def test_a_transaction_that_fails_leaves_nothing(catalog: Catalog) -> None:
    def write_half() -> None:
        with catalog._db.transaction() as connection:
            connection.execute("INSERT INTO meta VALUES ('a', 'b')")
            raise InterruptedError

    with pytest.raises(InterruptedError):
        write_half()
    assert catalog.meta("a") is None


OPENING = """
import sys, time
from pathlib import Path
from openrag_cli.store.catalog import Catalog
from openrag_cli.store.database import Database
sys.stdin.readline()
began = time.monotonic()
for number in range(25):
    while time.monotonic() < began + number * 0.02:  # so that the processes meet at each store
        pass
    try:
        catalog = Catalog(Database(Path(sys.argv[1]) / str(number) / "openrag.db"))
        catalog.create_partition(sys.argv[2])
        catalog._db.close()
        print("made")
    except Exception as exc:
        print(repr(exc))
"""


def test_many_processes_can_make_one_store_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPENING, str(tmp_path)]
    processes = [
        subprocess.Popen([*command, f"p{n}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for n in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        assert process.communicate(timeout=60)[0].split("\n") == [*["made"] * 25, ""]
    for number in range(25):
        assert len(open_catalog(tmp_path / str(number)).partitions()) == 4


FORBIDDEN = """
import json, os, sys
from pathlib import Path
from openrag_cli.store.catalog import Catalog
from openrag_cli.store.database import Database
from openrag_cli.errors import OpenRAGError
if os.geteuid() == 0:
    os.seteuid(65534)
try:
    Catalog(Database(Path(sys.argv[1]) / "openrag.db")).create_partition("p")
except OpenRAGError as exc:
    print(json.dumps([exc.code, exc.message]))
"""


@pytest.mark.parametrize("place", ["a read-only folder", "a read-only store", "someone else's store"])
def test_a_store_that_may_not_be_written_is_forbidden(place: str) -> None:
    root = Path(tempfile.mkdtemp())
    try:
        root.chmod(0o755)
        store = root / "store"
        if place == "a read-only folder":
            root.chmod(0o555)
        else:
            open_catalog(store)._db.rows("SELECT 1")
            (store / "openrag.db").chmod(0o444)
            store.chmod(0o555 if place == "a read-only store" else 0)
        result = subprocess.run(
            [sys.executable, "-c", FORBIDDEN, str(store)], capture_output=True, text=True, check=True, timeout=60
        )
        code, message = json.loads(result.stdout)
        assert code == "forbidden", message
    finally:
        if store.exists():
            store.chmod(0o700)
        root.chmod(0o700)
        shutil.rmtree(root)


def test_closing_frees_the_file_and_the_database_can_be_used_again(catalog: Catalog) -> None:
    catalog.create_partition("p")
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda _: catalog.partitions(), range(6)))
    catalog._db.close()
    assert not (catalog._db.path.with_name("openrag.db-wal")).exists()
    assert os.listdir(catalog._db.path.parent) == ["openrag.db"]
    assert len(catalog.partitions()) == 1
