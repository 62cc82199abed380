"""The index alone: rows in, rows out, in one commit each, on the disk, or a clear error."""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openrag_cli.config import cpu
from openrag_cli.domain import Chunk, Span, chunk_id
from openrag_cli.errors import ConfigError, StoreDamaged, StoreError
from openrag_cli.index.lance_errors import lance_errors
from openrag_cli.index.looks import Ask
from openrag_cli.index.rows import Row, Scope
from openrag_cli.index.table import Index
from openrag_cli.retrieval.tokens import Tokenizer

DIMENSION = 8
EVERYWHERE = Scope()


def make_index(root: Path) -> Index:
    return Index(root / "lance", dimension=DIMENSION)


def make_rows(
    revision: str, texts: Sequence[str], *, partition_id: int = 1, heading: tuple[str, ...] = ()
) -> list[Row]:
    rows = []
    for ordinal, text in enumerate(texts):
        seed = int(chunk_id("p", "f", revision, ordinal)[:8], 16)
        vector = np.random.default_rng(seed).normal(size=DIMENSION).astype(np.float32)
        span = Span(text, 10 * ordinal, 10 * ordinal + len(text), 1, 1, None, heading)
        chunk = Chunk(chunk_id("p", "f", revision, ordinal), "p", revision, ordinal, span)
        passage = "\n".join((*heading, text))
        rows.append(Row(chunk, partition_id, passage, vector / np.linalg.norm(vector), passage))
    return rows


def by_words(
    index: Index, weights: Mapping[str, float], limit: int, scope: Scope = EVERYWHERE, *, required: Sequence[str] = ()
) -> dict[str, float]:
    """Return the rows of the text leg, by id, with their BM25 scores."""
    return dict(index.look(Ask(limit, scope, weights=weights, required=required)).legs.get("text", {}))


def nearest(index: Index, vector: np.ndarray, limit: int, scope: Scope = EVERYWHERE) -> dict[str, float]:
    """Return the rows of the dense leg, by id, with their cosines."""
    return dict(index.look(Ask(limit, scope, vector)).legs.get("dense", {}))


def test_rows_come_back_as_they_were_put(tmp_path: Path) -> None:
    index = make_index(tmp_path)
    rows = make_rows("r1", ["alpha é 漢字 'quoted'", "beta\nline"], heading=("Top", "Sub"))
    index.put(rows)
    assert [match.span for match in index.chunks(revisions=["r1"])] == [row.chunk.span for row in rows]
    assert [match.id for match in index.chunks(ids=[rows[1].chunk.id])] == [rows[1].chunk.id]
    assert index.revisions() == {"r1": 2}


def test_putting_rows_again_duplicates_nothing(tmp_path: Path) -> None:
    index = make_index(tmp_path)
    index.put(make_rows("r1", ["alpha", "beta"]))
    index.put(make_rows("r1", ["alpha", "beta"]))
    assert index.revisions() == {"r1": 2}


def test_a_put_is_one_version_however_many_files_it_holds(tmp_path: Path) -> None:
    index = make_index(tmp_path)
    index.create()
    before = index.version()
    index.put([row for n in range(100) for row in make_rows(f"r{n}", ["alpha", "beta"])])
    assert index.version() == before + 1
    assert len(index.revisions()) == 100


def test_thousands_of_revisions_are_dropped_in_one_version(tmp_path: Path) -> None:
    index = make_index(tmp_path)
    index.put([row for n in range(3000) for row in make_rows(f"{n:048x}", ["word"])])
    before = index.version()
    index.drop([f"{n:048x}" for n in range(2999)])
    assert index.version() == before + 1
    assert index.revisions() == {f"{2999:048x}": 1}


def test_another_handle_sees_a_commit_at_once(tmp_path: Path) -> None:
    writer, reader = make_index(tmp_path), make_index(tmp_path)
    writer.put(make_rows("r1", ["alpha"]))
    assert len(by_words(reader, {"alpha": 1.0}, 10)) == 1
    writer.put(make_rows("r2", ["alpha"]))
    assert len(by_words(reader, {"alpha": 1.0}, 10)) == 2
    writer.drop(["r1"])
    assert reader.look(Ask(10, EVERYWHERE, weights={"alpha": 1.0})).rows.revisions == ["r2"]


def test_compaction_changes_no_answer(tmp_path: Path) -> None:
    index = make_index(tmp_path)
    for n in range(30):
        index.put(make_rows(f"r{n}", ["alpha common", f"word{n}"]))
    index.drop([f"r{n}" for n in range(0, 30, 3)])
    found = set(by_words(index, {"alpha": 1.0}, 100))
    assert index.statistics().n_fragments > 1
    index.optimize()
    assert (index.statistics().n_fragments, index.statistics().n_unindexed) == (1, 0)
    assert set(by_words(index, {"alpha": 1.0}, 100)) == found
    assert len(found) == 20


ODD = st.text(min_size=1, max_size=30)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(ODD, min_size=1, max_size=6), query=ODD)
def test_any_text_can_be_indexed_and_any_text_searched(
    texts: list[str], query: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    index = make_index(tmp_path_factory.mktemp("odd"))
    rows = make_rows("r", texts)
    index.put(rows)
    assert [match.span.text for match in index.chunks(revisions=["r"])] == texts
    assert set(by_words(index, dict.fromkeys(query.split(), 1.0), 10)) <= {row.chunk.id for row in rows}


def test_a_scope_is_exact_for_ids_that_look_like_sql(tmp_path: Path) -> None:
    index = make_index(tmp_path)
    odd = ["' OR 1=1 --", "a'b", 'a"b', "a\\b", "%", "é", "", " ", "revision"]
    for number, revision in enumerate(odd):
        index.put(make_rows(revision, ["alpha"], partition_id=number))
    for number, revision in enumerate(odd):
        for scope in (Scope(revisions=[revision]), Scope(partition_ids=[number])):
            assert index.look(Ask(100, scope, weights={"alpha": 1.0})).rows.revisions == [revision]
    index.drop([odd[0]])
    assert set(index.revisions()) == set(odd[1:])


def test_an_empty_scope_finds_nothing(tmp_path: Path) -> None:
    index = make_index(tmp_path)
    rows = make_rows("r1", ["alpha"])
    index.put(rows)
    assert by_words(index, {"alpha": 1.0}, 10, Scope(revisions=[])) == {}
    assert nearest(index, rows[0].vector, 10, Scope(partition_ids=[])) == {}


def test_dense_search_equals_brute_force_within_its_scope(tmp_path: Path) -> None:
    index = make_index(tmp_path)
    rows = [row for n in range(40) for row in make_rows(f"r{n}", ["x"] * 5, partition_id=n % 4)]
    index.put(rows)
    query = make_rows("query", ["q"])[0].vector
    stored = {row.chunk.id: row.vector.astype(np.float16).astype(np.float32) for row in rows}
    for scope, wanted in (
        (Scope(), rows),
        (Scope(partition_ids=[1, 3]), [row for row in rows if row.partition_id in {1, 3}]),
        (Scope(revisions=["r5", "r6"]), [row for row in rows if row.chunk.revision in {"r5", "r6"}]),
    ):
        cosines = {
            row.chunk.id: float(query @ stored[row.chunk.id] / np.linalg.norm(stored[row.chunk.id])) for row in wanted
        }
        best = sorted(cosines, key=lambda key: -cosines[key])[:7]
        found = nearest(index, query, 7, scope)
        assert list(found) == best
        assert list(found.values()) == pytest.approx([cosines[key] for key in best], abs=2e-3)


def test_a_row_that_both_legs_found_is_read_once_and_known_to_both(tmp_path: Path) -> None:
    index = make_index(tmp_path)
    rows = [row for n in range(6) for row in make_rows(f"r{n}", ["alpha beta", "gamma"])]
    index.put(rows)
    looked = index.look(Ask(4, EVERYWHERE, rows[0].vector, {"alpha": 1.0}))
    assert sorted(looked.rows.ids) == sorted(looked.legs["dense"].keys() | looked.legs["text"].keys())
    assert next(iter(looked.legs["dense"])) == rows[0].chunk.id
    by_id = {row.chunk.id: row for row in rows}
    for match, vector in zip(looked.rows, looked.rows.vectors, strict=True):
        assert match.span == by_id[match.id].chunk.span
        assert vector == pytest.approx(by_id[match.id].vector, abs=1e-3)


def test_a_look_while_rows_are_replaced_and_merged_finds_whole_rows(tmp_path: Path) -> None:
    writer, reader = make_index(tmp_path), make_index(tmp_path)
    writer.put([row for n in range(8) for row in make_rows(f"r{n}", ["alpha beta", "gamma"])])
    asked = Ask(100, EVERYWHERE, make_rows("q", ["q"])[0].vector, {"alpha": 1.0})
    for n in range(8):
        writer.put(make_rows(f"s{n}", ["alpha", "delta"]))
        writer.drop([f"r{n}"])
        writer.optimize()
        looked = reader.look(asked)
        assert len(looked.rows) == len(looked.legs["dense"]) == 16
        assert len(looked.legs["text"]) == 8


# --- durability and damage


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Record every path that is really fsynced."""
    paths: set[str] = set()
    real = os.fsync

    def observe(descriptor: int) -> None:
        paths.add(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", observe)
    return paths


def tree(root: Path) -> set[str]:
    return {str(Path(folder, name)) for folder, _, names in os.walk(root) for name in names}


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("act", ["put", "drop", "optimize"])
def test_every_file_of_a_commit_and_its_folder_is_fsynced_before_it_returns(
    act: str, tmp_path: Path, synced: set[str]
) -> None:
    index = make_index(tmp_path)
    index.put(make_rows("r1", ["alpha"]))
    index.put(make_rows("r2", ["beta"]))
    before = tree(tmp_path)
    assert before <= synced
    synced.clear()
    {
        "put": lambda: index.put(make_rows("r3", ["alpha"])),
        "drop": lambda: index.drop(["r1"]),
        "optimize": index.optimize,
    }[act]()
    made = tree(tmp_path) - before
    assert made
    assert made <= synced
    assert {str(Path(path).parent) for path in made} <= synced


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_the_folders_of_a_new_index_are_fsynced_up_to_the_store(tmp_path: Path, synced: set[str]) -> None:
    make_index(tmp_path).create()
    assert {str(tmp_path), str(tmp_path / "lance"), str(tmp_path / "lance" / "chunks.lance")} <= synced


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_commit_also_makes_durable_what_a_killed_process_left_behind(tmp_path: Path, synced: set[str]) -> None:
    make_index(tmp_path).put(make_rows("r1", ["alpha"]))
    unsynced = tree(tmp_path)  # as if the process had been killed between Lance's commit and the fsync
    synced.clear()
    make_index(tmp_path).put(make_rows("r2", ["beta"]))
    assert unsynced <= synced


def kill_while_creating(root: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from openrag_cli.index.table import Index\n"
        "Index(Path(sys.argv[1]) / 'lance', dimension=8).create()"
    )
    environment = os.environ | {"OPENRAG_FAILPOINT": "creating"}
    assert subprocess.run([sys.executable, "-c", program, str(root)], env=environment, check=False).returncode == -9


def test_a_kill_while_the_index_is_made_leaves_none_and_the_next_one_is_whole(tmp_path: Path) -> None:
    kill_while_creating(tmp_path)
    index = make_index(tmp_path)
    assert not index.exists
    index.put(make_rows("r1", ["alpha"]))
    index.put(make_rows("r1", ["alpha"]))
    assert index.revisions() == {"r1": 1}
    assert len(by_words(index, {"alpha": 1.0}, 10)) == 1
    assert [path.name for path in (tmp_path / "lance").iterdir()] == ["chunks.lance"]


def manifests(root: Path) -> list[Path]:
    """Return the manifests, newest first (Lance counts their names down)."""
    return sorted((root / "lance" / "chunks.lance" / "_versions").glob("*.manifest"))


@pytest.mark.parametrize("damage", [b"", b"\0" * 200, b"garbage"], ids=["empty", "zeros", "garbage"])
def test_a_bad_newest_manifest_is_set_aside_so_that_the_version_before_it_opens(
    damage: bytes, tmp_path: Path
) -> None:
    index = make_index(tmp_path)
    index.put(make_rows("r1", ["alpha"]))
    index.put(make_rows("r2", ["alpha"]))
    assert not index.has_bad_head
    head = manifests(tmp_path)[0]
    head.write_bytes(damage)
    again = make_index(tmp_path)
    assert again.has_bad_head
    assert again.set_aside_bad_head() == [head]
    assert again.revisions() == {"r1": 1}
    assert head.with_name(head.name + ".bad").read_bytes() == damage
    again.put(make_rows("r3", ["alpha"]))
    again.optimize()
    assert make_index(tmp_path).revisions() == {"r1": 1, "r3": 1}


def test_an_index_without_any_whole_manifest_is_damaged_and_left_as_it_is(tmp_path: Path) -> None:
    make_index(tmp_path).put(make_rows("r1", ["alpha"]))
    before = manifests(tmp_path)
    for path in before:
        path.write_bytes(b"")
    with pytest.raises(StoreDamaged):
        make_index(tmp_path).set_aside_bad_head()
    assert manifests(tmp_path) == before


def test_a_lost_versions_folder_is_damage_and_not_an_empty_index(tmp_path: Path) -> None:
    make_index(tmp_path).put(make_rows("r1", ["alpha"]))
    shutil.rmtree(tmp_path / "lance" / "chunks.lance" / "_versions")
    for act in (
        lambda index: index.revisions(),
        lambda index: by_words(index, {"alpha": 1.0}, 5),
        lambda index: index.put(make_rows("r2", ["beta"])),
    ):
        with pytest.raises(StoreDamaged, match="versions"):
            act(make_index(tmp_path))
    assert not (tmp_path / "lance" / "chunks.lance" / "_versions").exists()


def _truncate(path: Path) -> None:
    os.truncate(path, 0)


def _halve(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _flip_end(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-20:] = bytes(byte ^ 0xFF for byte in content[-20:])
    path.write_bytes(content)


def test_a_flipped_bit_is_a_store_error_or_an_answer_never_a_crash(tmp_path: Path) -> None:
    # Lance (0.40) has no checksums: a flipped bit in a posting list can hide a row from the full-text search.
    index = make_index(tmp_path / "good")
    for n in range(3):
        index.put(make_rows(f"r{n}", ["alpha beta"]))
    index.optimize()
    random = np.random.default_rng(5)
    files = sorted(tree(tmp_path / "good"))
    for number in range(60):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(tmp_path / "good", copy)
        path = copy / Path(random.choice(files)).relative_to(tmp_path / "good")
        content = bytearray(path.read_bytes())
        content[random.integers(len(content))] ^= 1 << int(random.integers(8))
        path.write_bytes(content)
        damaged = make_index(copy)
        try:
            answer = (
                by_words(damaged, {"alpha": 1.0}, 10),
                nearest(damaged, make_rows("q", ["q"])[0].vector, 10),
            )
        except StoreError:
            continue
        assert all(len(matches) <= 3 for matches in answer), path
        shutil.rmtree(copy)


@pytest.mark.parametrize("harm", [Path.unlink, _truncate, _halve, _flip_end])
@pytest.mark.parametrize("kind", ["data", "_indices"])
def test_a_missing_or_broken_piece_is_damage_never_a_shorter_answer(
    kind: str, harm: Callable[[Path], None], tmp_path: Path
) -> None:
    index = make_index(tmp_path)
    for n in range(3):
        index.put(make_rows(f"r{n}", ["alpha beta"]))
    index.optimize()
    pieces = [path for path in (tmp_path / "lance" / "chunks.lance" / kind).rglob("*") if path.is_file()]
    for number, path in enumerate(pieces):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(tmp_path / "lance", copy / "lance")
        harm(copy / path.relative_to(tmp_path))
        damaged = make_index(copy)
        try:
            found = (
                by_words(damaged, {"alpha": 1.0}, 10),
                nearest(damaged, make_rows("r1", ["q"])[0].vector, 10),
            )
        except StoreDamaged:
            continue
        assert [len(matches) for matches in found] == [3, 3], path


QUOTED = [
    '"alpha beta"',
    '"alpha"',
    '""',
    '"alpha" or "beta"',
    "'alpha'",
    'alpha"',
    "(alpha",
    "alpha AND",
    "alpha:beta",
    "*",
]


@pytest.mark.parametrize(
    "query", [*QUOTED, '{"match": 1}', "alpha OR", "\\", "alpha\0beta", "-alpha +beta", "alpha~2", "[a TO b]"]
)
def test_no_text_of_a_user_is_syntax(query: str, tmp_path: Path) -> None:
    index = make_index(tmp_path)
    index.put(make_rows("r1", ["alpha beta", "gamma"]))
    asked = Tokenizer("English").for_search(query).split()
    found = index.look(Ask(5, EVERYWHERE, weights=dict.fromkeys([*asked, query], 1.0), required=asked[:1])).rows
    assert [match.span.text for match in found] == (["alpha beta"] if "alpha" in query else [])


@pytest.mark.parametrize(
    "message",
    [
        "Invalid input: not found",
        "corrupt or decode",
        "manifest panicked: invalid magic",
        "lance error: Too many open files (os error 24)",
    ],
)
def test_a_word_in_somebodys_error_is_not_damage(message: str, tmp_path: Path) -> None:
    index = make_index(tmp_path)
    index.put(make_rows("r1", ["alpha"]))
    with pytest.raises(StoreError) as caught, lance_errors("searching", examine=index.problem):
        raise RuntimeError(message)
    assert type(caught.value) is StoreError
    assert "backup" not in str(caught.value.hint)


def test_a_damaged_full_text_index_is_made_again_from_the_rows(tmp_path: Path) -> None:
    index = make_index(tmp_path)
    index.put(make_rows("r1", ["alpha beta"]))
    index.optimize()
    for path in (tmp_path / "lance" / "chunks.lance" / "_indices").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    damaged = make_index(tmp_path)
    with pytest.raises(StoreDamaged, match="full-text") as caught:
        by_words(damaged, {"alpha": 1.0}, 5)
    assert "doctor --fix" in str(caught.value.hint)
    assert damaged.remake() is None
    assert damaged.look(Ask(5, EVERYWHERE, weights={"alpha": 1.0})).rows.texts([0]) == {0: "alpha beta"}
    assert damaged.problem() is None


def test_rows_that_cannot_be_read_are_set_aside_whole(tmp_path: Path) -> None:
    index = make_index(tmp_path)
    index.put(make_rows("r1", ["alpha beta"]))
    for path in (tmp_path / "lance" / "chunks.lance" / "data").rglob("*.lance"):
        path.write_bytes(b"")
    damaged = make_index(tmp_path)
    assert "rows" in str(damaged.problem())
    aside = damaged.remake()
    assert aside is not None
    assert (aside / "data").is_dir()
    assert damaged.revisions() == {}


# --- the import


@pytest.mark.parametrize(
    ("flags", "missing"), [("fpu sse4_2 avx", "AVX2 and no FMA"), ("fpu avx avx2 fma_not", "FMA"), ("avx2 fma", "")]
)
def test_a_processor_without_what_lancedb_needs_is_told_before_it_dies(
    flags: str, missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nmodel name\t: x\nflags\t\t: {flags}\n\nprocessor\t: 1\n")
    monkeypatch.setattr(cpu, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    if not missing:
        cpu.require_cpu()
        return
    with pytest.raises(ConfigError, match=f"has no {missing}, which"):
        cpu.require_cpu()


def test_a_server_does_not_start_where_each_of_its_searches_would_die(
    cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text("flags\t\t: fpu avx\n")
    monkeypatch.setattr(cpu, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    told = cli("serve", "--port", "0")
    assert told.code == 78
    assert "this processor has no AVX2 and no FMA, which LanceDB needs" in told.err


IMPORT_PROGRAM = """
import json, sys
from pathlib import Path
import openrag_cli.index.import_shim as module
if sys.argv[2] == "untested":
    module._TESTED = ((99, 0), (99, 1))
lancedb = module.import_lancedb()
client = "lance_namespace_urllib3_client"
left = [name for name in sys.modules if name.split(".")[0] == client]
finders = [type(finder).__name__ for finder in sys.meta_path]
is_plain = bool(left)
sys.path.insert(0, sys.argv[3])
from test_index import Scope, by_words, make_index, make_rows, nearest
index = make_index(Path(sys.argv[1]))
index.put(make_rows("r1", ["alpha"])); index.put(make_rows("r2", ["alpha", "beta"])); index.drop(["r1"])
index.optimize()
again = make_index(Path(sys.argv[1]))
near = nearest(again, make_rows("q", ["q"])[0].vector, 5)
found = len(by_words(again, {"alpha": 1.0}, 5, Scope(partition_ids=[1]))), len(near)
import lance_namespace_urllib3_client as real
print(json.dumps({"left": left, "finders": finders, "found": found, "revisions": again.revisions(),
                  "real_file": real.__file__}))
"""


def run_import(store: Path, version: str) -> dict[str, object]:
    command = [sys.executable, "-c", IMPORT_PROGRAM, str(store), version, str(Path(__file__).parent)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr
    answer: dict[str, object] = json.loads(result.stdout)
    return answer


def test_the_stand_in_for_the_rest_client_serves_all_that_we_use_and_is_gone_afterwards(tmp_path: Path) -> None:
    answer = run_import(tmp_path, "tested")
    assert answer["left"] == []
    assert "_StandInFinder" not in answer["finders"]
    assert answer["found"] == [1, 2]
    assert answer["revisions"] == {"r2": 2}
    assert answer["real_file"], "the real client can still be imported"


def test_an_untested_lancedb_is_imported_plainly(tmp_path: Path) -> None:
    answer = run_import(tmp_path, "untested")
    assert answer["left"]
    assert answer["found"] == [1, 2]
