"""Named views on the command line: what they show, and one space of names with partitions."""

import shutil

import pytest
from harness import open_engine, put

from openrag_cli.cli import completion
from openrag_cli.domain import new_task_id

KEYS = "# Keys {year}\n\nRotate every API key every {days} days.\n"


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A store with two years of `ops`, and another partition."""
    store = tmp_path_factory.mktemp("views") / "store"
    with open_engine(store) as engine:
        put(engine, "kitchen", "tea.md", "# Tea\n\nThe kettle is descaled every month.\n")
        for year, days in ((2025, 30), (2026, 90)):
            put(engine, "ops", f"keys-{year}.md", KEYS.format(year=year, days=days))
        engine.drain()
        for file in engine.files("all"):
            engine.edit_file(file.partition, file.file_id, {"year": 2025 if "2025" in file.file_id else 2026})
    return store


@pytest.fixture
def filled(cli, tmp_path, template):
    """The program on a copy of that store."""
    shutil.copytree(template, tmp_path / "store")
    return cli


def found(cli, *arguments):
    """Return the files of the hits of a search."""
    return [hit["file_id"] for hit in cli("search", "how often are keys rotated", "--json", *arguments).json["hits"]]


def test_a_view_is_searched_and_asked_as_its_partitions_and_filter_are(filled):
    made = filled("view", "create", "ops-2026", "-p", "ops", "--filter", "year = 2026", "--json").json
    assert (made["view"], made["partitions"], made["filter"]) == ("ops-2026", ["ops"], "year = 2026")
    assert made["model"] == "openrag-ops-2026"
    assert (
        found(filled, "-p", "ops-2026") == found(filled, "-p", "ops", "--filter", "year = 2026") == ["keys-2026.md"]
    )
    answer = filled("ask", "how often are keys rotated?", "-p", "ops-2026", "--json").json
    assert {source["file_id"] for source in answer["sources"]} == {"keys-2026.md"}
    assert "90 days" in answer["answer"]
    assert found(filled, "-p", "ops-2026", "--filter", "year = 2025") == []  # a filter narrows it further
    assert filled("view", "list", "--json").json["views"] == [{k: v for k, v in made.items() if k != "schema"}]
    assert "ops-2026" in filled("view", "show", "ops-2026").out
    assert filled("view", "delete", "ops-2026", "--yes", "--json").json == made
    assert filled("search", "keys", "-p", "ops-2026").code == 66


def test_an_or_in_either_filter_stays_inside_it(filled):
    filled("view", "create", "either", "--filter", "year = 2025 or year = 2026")
    assert set(found(filled, "-p", "either")) == {"keys-2025.md", "keys-2026.md", "tea.md"}
    narrowed = found(filled, "-p", "either", "--filter", "year = 2025 or year = 1999")
    assert narrowed == ["keys-2025.md"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["ops"], 73, "Partition 'ops' exists"),
        (["taken"], 73, "already exists"),
        (["all"], 2, "reserved"),
        (["a/b"], 2, "contains '/'"),
        (["new", "-p", "nope"], 66, "Partition 'nope' not found"),
        (["new", "-p", "taken"], 66, "'taken' is a view, and no partition"),  # a view of a view is none
        (["new", "--filter", "year ="], 2, "filter is wrong"),
    ],
)
def test_a_view_that_cannot_be_is_refused(filled, arguments, code, says):
    assert filled("view", "create", "taken").code == 0
    refused = filled("view", "create", *arguments)
    assert (refused.code, says in refused.err) == (code, True), refused.err
    assert [entry["view"] for entry in filled("view", "list", "--json").json["views"]] == ["taken"]


def test_no_partition_takes_the_name_of_a_view(filled, tmp_path):
    (tmp_path / "tea.md").write_text("# Tea\n")
    filled("view", "create", "ours")
    exported = tmp_path / "exported"
    assert filled("export", "-p", "ops", "-o", exported).code == 0
    for arguments in (
        ["partition", "create", "ours"],
        ["file", "add", tmp_path / "tea.md", "-p", "ours"],
        ["file", "sync", tmp_path, "-p", "ours"],
        ["import", exported, "-p", "ours"],
    ):
        refused = filled(*arguments)
        assert refused.code == 73, (arguments, refused)
        assert "'ours' is a view" in refused.err
    assert {entry["partition"] for entry in filled("partition", "list", "--json").json["partitions"]} == {
        "ops", "kitchen",
    }  # fmt: skip


def test_a_view_is_searched_alone_and_a_lost_partition_is_named(filled):
    filled("view", "create", "ours", "-p", "kitchen")
    mixed = filled("search", "keys", "-p", "ours", "-p", "ops")
    assert mixed.code == 2
    assert "searched alone" in mixed.err
    filled("partition", "delete", "kitchen", "--yes")
    assert "Partition 'kitchen' not found" in filled("search", "keys", "-p", "ours").err


def test_a_backup_keeps_views(filled, tmp_path):
    filled("view", "create", "ours", "-p", "ops", "--filter", "year = 2026")
    assert filled("backup", tmp_path / "b.tar").code == 0
    assert filled("--store", tmp_path / "again", "restore", tmp_path / "b.tar").code == 0
    assert found(filled, "--store", tmp_path / "again", "-p", "ours") == ["keys-2026.md"]


def test_the_shell_completes_views(filled, capfd):
    filled("view", "create", "our-view")
    for words, is_offered in ((["view", "show"], True), (["search", "-p"], True), (["file", "add", "-p"], False)):
        completion.run(["--", *words, "our"])
        assert ("our-view" in capfd.readouterr().out) is is_offered


def test_a_deleted_view_frees_its_name(filled):
    name = f"view-{new_task_id()[:8]}"
    filled("view", "create", name)
    assert filled("view", "delete", name).code == 2  # nobody can be asked here
    assert filled("view", "delete", name, "--yes").code == 0
    assert filled("view", "delete", name, "--yes").code == 66
    assert filled("partition", "create", name).code == 0
