"""Filters: what SQL finds is what the evaluation in memory says, and what cannot be meant is told."""

import string
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openrag_cli.domain import Document, File, TaskKind, Upload, new_task_id
from openrag_cli.errors import InvalidInput
from openrag_cli.retrieval.filters import evaluate, parse
from openrag_cli.store.catalog import Catalog
from openrag_cli.store.database import Database
from openrag_cli.store.files.conditions import AllOf, AnyOf, Contains, Exists, Like, Not, OneOf, Ordered
from openrag_cli.store.metadata import resolved
from openrag_cli.store.publish import Completion, publish
from openrag_cli.store.task_queue import TaskQueue

KEYS = ["year", "tag", "title", "filename", "size", "created_at", "x y", "score"]
TEXTS = st.text(st.sampled_from(string.ascii_letters + "éß日%_*?[]\\'\" \n\U0001f600"), max_size=4)
NUMBERS = (
    st.integers(-3, 3)
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 10**400, 0.1, -0.0, 1e308])
)
SCALARS = TEXTS | NUMBERS | st.booleans() | st.none()
VALUES = (
    SCALARS
    | st.lists(SCALARS | st.lists(SCALARS, max_size=1), max_size=3)
    | st.dictionaries(TEXTS, SCALARS, max_size=2)
)
METADATA = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5)
OWN = st.dictionaries(st.sampled_from(KEYS[:3]), VALUES, max_size=3)


def leaf(draw_values):
    key = st.sampled_from([*KEYS, "file_id", "partition", "media_type", "indexed_at", "nothing"])
    return (
        st.builds(OneOf, key, st.lists(draw_values, min_size=1, max_size=3).map(tuple))
        | st.builds(Ordered, key, st.sampled_from(["<", "<=", ">", ">="]), draw_values)
        | st.builds(Contains, key, draw_values)
        | st.builds(Like, key, TEXTS)
        | st.builds(Exists, key)
    )


CONDITIONS = st.recursive(
    leaf(SCALARS),
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(AllOf, st.lists(inner, min_size=1, max_size=4).map(tuple))
        | st.builds(AnyOf, st.lists(inner, min_size=1, max_size=4).map(tuple))
    ),
    max_leaves=8,
)


def add(database, file_id, metadata, own=None, partition="p"):
    """Make a file visible as a worker does, without converting anything."""
    upload = Upload(partition, file_id, new_task_id(), f"{file_id}.md", "text/markdown", 7, "ab" * 32, metadata)
    queue = TaskQueue(database)
    (task,) = queue.submit([upload], kind=TaskKind.REPLACE if has(database, file_id) else TaskKind.ADD, batch="b")
    with database.transaction() as connection:
        publish(connection, Completion(task, Document("text", metadata=own or {}), 1))
        connection.execute("UPDATE task SET state = 'COMPLETED'")


def has(database, file_id):
    return bool(database.rows("SELECT 1 FROM file WHERE file_id = ?", (file_id,)))


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    made = Database(tmp_path_factory.mktemp("filters") / "store" / "openrag.db")
    yield made
    made.close()


def found(database, condition):
    """Return the ids of the files that SQL finds, through a search's scope and through a listing."""
    catalog = Catalog(database)
    files = catalog.files("all")
    selection = catalog.filtered.selection(condition, catalog.filtered.partition_ids(None))
    by_scope = {file.file_id for file in files if (file.revision in selection.revisions) is not selection.is_excluded}
    assert by_scope == {file.file_id for file in catalog.files("all", condition=condition)}
    return by_scope


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.lists(st.tuples(METADATA, OWN), min_size=1, max_size=6), conditions=st.lists(CONDITIONS, max_size=12))
def test_sql_finds_what_the_evaluation_in_memory_lets_through(database, files, conditions):
    catalog = Catalog(database)
    for n, (metadata, own) in enumerate(files):
        add(database, f"f{n}", metadata, own)
    known = catalog.files("all")
    for condition in conditions:
        assert found(database, condition) == {
            file.file_id for file in known if evaluate(condition, resolved(file))
        }, condition


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=METADATA, changes=METADATA, own=OWN)
def test_the_side_table_follows_every_write(database, first, changes, own):
    catalog = Catalog(database)
    add(database, "g", first, own)
    catalog.edit_metadata("p", "g", changes, remove=["year"])
    rows = "SELECT partition_id, key, kind, value, file FROM {} WHERE file = (SELECT number FROM file WHERE file_id = 'g')"
    kept, made = (
        {(*tuple(row), type(row[3]).__name__) for row in database.rows(rows.format(name))}
        for name in ("metadata_value", "file_value")
    )
    assert kept == made
    assert {row[1] for row in kept} == set(resolved(catalog.file("p", "g")))


def test_a_deleted_file_leaves_no_rows_and_nor_does_a_partition(tmp_path):
    database = Database(tmp_path / "store" / "openrag.db")
    for n in range(3):
        add(database, f"f{n}", {"year": n})
    add(database, "other", {"year": 9}, partition="q")
    catalog = Catalog(database)
    catalog.delete_files("p", ["f1"])
    assert {row[0] for row in database.rows("SELECT value FROM metadata_value WHERE key = 'year'")} == {0, 2, 9}
    catalog.delete_partition("p")
    assert {row[0] for row in database.rows("SELECT value FROM metadata_value WHERE key = 'year'")} == {9}
    add(database, "new", {"year": 5}, partition="q")
    assert found(database, parse("year = 5")) == {"new"}
    database.close()


@pytest.mark.parametrize(
    "text",
    [
        "year == 2024", "year in [2024, 2025]", "year IN (2024)", 'title LIKE "%eys"', "title like 'K_y%'",
        'created_at >= ISO "2020-01-01"', 'created_at >= iso "2020-01-01T00:00:00+02:00"', "not year in [1]",
        "year not in [1, 2]", 'title not like "x%"', 'tags contains "b"', "size = 7", 'media_type = "text/markdown"',
        'updated_at > "2020"', 'indexed_at > "2020"', 'filename = "f.md"', 'partition = "p"', 'stored_as like "%.md"',
        "chunk_count = 1", "year exists and not nothing exists",
    ],
)  # fmt: skip
def test_spellings_and_keys_of_ours_find_the_file(tmp_path, text):
    database = Database(tmp_path / "store" / "openrag.db")
    add(database, "f", {"year": 2024, "title": "Keys", "tags": ["a", "b"]})
    assert found(database, parse(text)) == {"f"}
    assert found(database, parse(f"not ({text})")) == set()
    database.close()


@pytest.mark.parametrize(
    "text",
    ["year = ", "year like 5", 'created_at > iso "yesterday"', "year in [1)", "year in []", "year === 1", "iso"],
)
def test_what_is_no_filter_is_told_with_its_position(text):
    with pytest.raises(InvalidInput, match=r"position \d"):
        parse(text)


def test_a_filter_as_long_as_one_may_be_is_no_bug(tmp_path):
    database = Database(tmp_path / "store" / "openrag.db")
    add(database, "f", {"a": 1})
    assert found(database, parse(" or ".join(["a=2"] * 1200 + ["a=1"]))) == {"f"}
    assert found(database, parse(f"a in [{', '.join(['2'] * 3000)}, 1]")) == {"f"}
    deep = "not (" * 24 + "a = 1" + ")" * 24
    assert found(database, parse(deep)) == {"f"}
    database.close()


# --- talking back


def test_a_key_that_no_file_has_is_told_with_the_nearest_one(cli, tmp_path):
    (tmp_path / "k.md").write_text("Keys are rotated every ninety days.")
    said = ["-m", "year=2024", "-m", "Team=Blue", "-m", 'tags=["a"]']
    assert cli("file", "add", "k.md", "-p", "p", *said).code == 0
    assert cli("search", "keys", "-p", "p", "--filter", 'updated_at >= "2020-01-01"', "-l").out == "k.md\n"
    for text, told in (
        ("yaer >= 2020", "no file here has the key yaer; did you mean year?"),
        ('team = "Blue"', "did you mean Team?"),
        ('year >= "2020"', "the key year has numbers here"),
        ("Team = 5", "the key Team has texts here"),
        ('tags = "a"', "write contains"),
        ('type = "text/markdown"', "did you mean media_type?"),
        ("zzz = 1 or qqq = 2", "no file here has the key zzz"),
    ):
        found = cli("search", "keys", "-p", "p", "--filter", text)
        assert found.code == 1
        assert told in found.err
        as_json = cli("search", "keys", "-p", "p", "--filter", text, "--json").json
        assert told in as_json["warnings"][0]["message"]
        assert as_json["warnings"][0]["code"] in {"unknown_key", "other_type"}
        listed = cli("file", "list", "-p", "p", "--filter", text)
        assert (listed.out, told in listed.err) == ("", True)
        assert "no files of partition p match" in listed.err
    fine = cli("search", "keys", "-p", "p", "--filter", "year = 2024 and not Team = 'Red'")
    assert (fine.code, "warning" in fine.err) == (0, False)


def test_files_are_listed_by_a_filter_and_keys_are_told(cli, tmp_path):
    for name, year in (("a", 2023), ("b", 2024), ("c", 2024)):
        (tmp_path / f"{name}.md").write_text(f"{name} keys")
        assert cli("file", "add", f"{name}.md", "-p", "p", "-m", f"year={year}").code == 0
    listed = cli("file", "list", "-p", "p", "--filter", "year = 2024", "--limit", "1", "--offset", "1", "--json").json
    assert [file["file_id"] for file in listed["files"]] == ["c.md"]
    assert listed["warnings"] == []
    keys = {key["key"]: key for key in cli("file", "keys", "-p", "p", "--json").json["keys"]}
    assert keys["year"] == {
        "key": "year", "files": 3, "types": {"number": 3},
        "values": [{"value": 2024, "files": 2}, {"value": 2023, "files": 1}],
    }  # fmt: skip
    assert {"created_at", "updated_at", "indexed_at", "size", "media_type", "filename"} <= keys.keys()
    assert "2024 (2)" in cli("file", "keys", "-p", "p").out
    assert cli("file", "keys", "-p", "nowhere").code == 66


def test_what_is_resolved_in_memory_has_the_keys_of_the_side_table(tmp_path):
    moment = datetime(2024, 1, 2, 3, 4, 5, 678000, UTC)
    file = File("p", "f", "0" * 48, "f.md", "text/markdown", 1, "", {}, 1, moment, moment)
    assert resolved(file)["indexed_at"] == "2024-01-02T03:04:05.678Z"
