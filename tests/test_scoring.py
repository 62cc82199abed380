"""What a hit's score is made of: of the query and the chunk alone, whatever is asked for beside."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import check, open_engine, put

from openrag_cli.domain import SearchMode, new_task_id
from openrag_cli.engine import Engine
from openrag_cli.index import words
from openrag_cli.index.looks import Ask, Looked, Snapshot
from openrag_cli.index.words import WORDS_VERSION
from openrag_cli.ingest.discovery import collect
from openrag_cli.ingest.options import AddOptions
from openrag_cli.retrieval.request import SearchRequest
from openrag_cli.retrieval.scoring import WHOLE
from openrag_cli.store.searching.word_counts import WordCounts, count_by_revision

TOPICS = ["harbour", "river", "engine", "winter", "garden", "bread", "physics", "music"]


def page(number: int) -> str:
    a, b = TOPICS[number % 8], TOPICS[(3 * number + 1) % 8]
    return f"# Note {number}\n\nThe {a} of town{number} lies by the {b}, and its keeper counts {number * 37} barrels of salt."


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A store of 60 notes and a few texts for single questions."""
    with open_engine(tmp_path_factory.mktemp("scoring") / "store") as engine:
        for number in range(60):
            put(engine, "notes", f"note{number}.md", page(number))
        put(engine, "code", "invoices.py", "def fetch_pending_invoices(limit):\n    return store.pending(limit)\n")
        put(
            engine,
            "code",
            "cargo.md",
            "How to fetch crates: pending builds of invoices and other invoices are fetched.",
        )
        put(engine, "code", "size.md", 'The board is 12" wide and the note says the keeper sleeps well at night.')
        put(engine, "code", "other.md", "The keeper is well, and sleeps when the night is over, the note says.")
        engine.drain()
        check(engine)
        yield engine


LETTER = "The committee will not renew the lease of the old mill unless the tenant pays for its roof."
SPEECH = "Élise a écrit que la mairie ne rouvrira pas le pont de pierre avant la fin du mois de mai."


@pytest.mark.parametrize("mode", [SearchMode.TEXT, SearchMode.HYBRID])
@pytest.mark.parametrize(
    ("name", "sentence", "decoy"),
    [
        ("letter", LETTER, "roof pays tenant mill lease renew committee unless old"),
        ("speech", SPEECH, "pierre pont mairie rouvrira Élise écrit mai fin mois avant"),
    ],
    ids=["letter", "speech"],
)
def test_a_long_sentence_is_found_where_it_stands_before_texts_of_the_same_words(
    tmp_path: Path, name: str, sentence: str, decoy: str, mode: SearchMode
) -> None:
    around = "Minutes of an evening that was mostly about other things, such as the weather and the new bell. " * 5
    with open_engine(tmp_path / "store") as engine:
        put(engine, "p", f"{name}.md", f"{around}\n{sentence}\n{around}")
        for number in range(3):
            put(engine, "p", f"decoy{number}.md", " ".join([decoy, f"{number}", decoy]))
        engine.drain()
        assert len(sentence.split()) >= 12
        hits = engine.search(SearchRequest(sentence, mode=mode))
        assert hits[0].file.file_id == f"{name}.md"
        assert hits[0].scores["verbatim"] == WHOLE


QUESTIONS = (
    "harbour",
    "which town lies by the river and counts barrels of salt",
    "keeper of the winter garden",
    "town7",
)


@pytest.mark.parametrize("mode", list(SearchMode))
@pytest.mark.parametrize("question", QUESTIONS)
def test_the_first_hits_and_their_scores_are_the_same_however_many_are_asked_for(
    engine: Engine, question: str, mode: SearchMode
) -> None:
    few, some, many = (engine.search(SearchRequest(question, top_k=k, mode=mode)) for k in (5, 10, 200))
    assert [(hit.chunk.id, hit.score) for hit in few] == [(hit.chunk.id, hit.score) for hit in many[: len(few)]]
    assert [(hit.chunk.id, hit.score) for hit in some] == [(hit.chunk.id, hit.score) for hit in many[: len(some)]]
    scores = {hit.chunk.id: hit.score for hit in many}
    for hit in engine.search(SearchRequest(question, top_k=5, mode=mode, per_file=1, min_score=0.1)):
        assert hit.score == scores[hit.chunk.id]


def test_every_candidate_has_its_true_cosine_and_its_text_score(engine: Engine) -> None:
    dense = {
        hit.chunk.id: hit.score for hit in engine.search(SearchRequest("salt", top_k=200, mode=SearchMode.DENSE))
    }
    for hit in engine.search(SearchRequest("salt", top_k=200)):
        assert hit.scores["dense"] == dense[hit.chunk.id]
        assert (hit.scores["text"] > 0) == ("salt" in hit.chunk.span.text)


def test_a_name_is_found_before_the_words_it_is_made_of(engine: Engine) -> None:
    for mode in (SearchMode.HYBRID, SearchMode.TEXT):
        hits = engine.search(SearchRequest("fetchPendingInvoices", mode=mode))
        assert hits[0].file.file_id == "invoices.py"


def test_a_file_whose_whole_title_the_query_says_gains_and_one_named_by_a_number_does_not(tmp_path: Path) -> None:
    with open_engine(tmp_path / "named") as engine:
        pages = {
            "tar": "# tar\n\nArchiving utility. Lists and unpacks what is in a file.\n",
            "atool": "# atool\n\nExtract an archive: a tar archive, a zip archive.\n",
            "1999": "# 1999\n\nThe year 1999.\n",
        }
        for name, text in pages.items():
            (tmp_path / f"{name}.md").write_text(text)
        files = collect([tmp_path / f"{name}.md" for name in pages], root=tmp_path).sources
        engine.add_sources(files, AddOptions("p", new_task_id()))
        named = {
            hit.file.file_id: hit.scores["named"] for hit in engine.search(SearchRequest("extract a tar archive"))
        }
        assert named.pop("tar.md") > 0
        assert set(named.values()) == {0.0}
        years = engine.search(SearchRequest("what came in 1999"))
        assert all(hit.scores["named"] == 0 for hit in years)


@pytest.mark.parametrize("mode", [SearchMode.HYBRID, SearchMode.TEXT])
@pytest.mark.parametrize("title", ["PumpValveCounter", "pump_valve", "Zwei-Wege-Pumpe", "Valve"])
def test_a_page_is_found_by_its_title_alone_also_one_of_parts(tmp_path: Path, mode: SearchMode, title: str) -> None:
    own = ["PumpValveCounter", "pump_valve", "Zwei-Wege-Pumpe", "Valve"]
    with open_engine(tmp_path / "titles") as engine:
        for name in own:
            (tmp_path / f"{name}.md").write_text(
                f"---\ntitle: {name}\n---\n\nWhat it does stands here: it is for water.\n"
            )
        for name in ("Counters", "Pumps", "Wege", "Overview"):
            text = "\n".join(f"- {one}: see {one}" for one in own)
            (tmp_path / f"{name}.md").write_text(f"---\ntitle: {name}\n---\n\nAll of them.\n\n{text}\n")
        for n in range(30):
            (tmp_path / f"other{n}.md").write_text(
                f"---\ntitle: Lantern {n}\n---\n\nLantern {n} shines on the quay.\n"
            )
        files = collect(sorted(tmp_path.glob("*.md")), root=tmp_path).sources
        engine.add_sources(files, AddOptions("p", new_task_id()))
        hits = engine.search(SearchRequest(title, mode=mode))
        found = [(hit.file.document_metadata["title"], hit.score, hit.scores) for hit in hits]
        assert found[0][0] == title, found


@pytest.mark.parametrize("mode", list(SearchMode))
@pytest.mark.parametrize(
    "query", ['"the keeper sleeps"', "“The Keeper sleeps” at night", 'well "the  keeper\tsleeps"']
)
def test_a_phrase_in_quotes_must_stand_in_the_chunk(engine: Engine, query: str, mode: SearchMode) -> None:
    assert [hit.file.file_id for hit in engine.search(SearchRequest(query, mode=mode))] == ["size.md"]


@pytest.mark.parametrize("query", ['board 12" wide', '"', '""', 'say "hello'])
def test_a_quote_that_is_none_is_a_character(engine: Engine, query: str) -> None:
    assert engine.search(SearchRequest(query, mode=SearchMode.DENSE))
    if "board" in query:
        assert engine.search(SearchRequest(query))[0].file.file_id == "size.md"


def test_a_phrase_that_stands_nowhere_finds_nothing(engine: Engine) -> None:
    assert engine.search(SearchRequest('"sleeps keeper the"')) == []
    assert engine.search(SearchRequest('"keeper slee"')) == []


def test_a_search_stops_when_each_file_in_scope_has_given_its_hit(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    depths = []
    real = Snapshot.look

    def observe(snapshot: Snapshot, ask: Ask) -> Looked:
        depths.append(ask.limit)
        return real(snapshot, ask)

    monkeypatch.setattr("openrag_cli.retrieval.search.DEPTH", 10)
    monkeypatch.setattr(Snapshot, "look", observe)
    hits = engine.search(SearchRequest("keeper", ["notes"], ["note1.md", "note2.md"], top_k=5, per_file=1))
    assert len(hits) == 2
    assert depths == [10]


# --- what is shown


def test_nearly_equal_texts_are_one_hit_that_names_the_others(tmp_path: Path) -> None:
    policy = "Every employee returns the badge at the gate on the last day of work. " * 3
    with open_engine(tmp_path / "store") as engine:
        for name in ("a", "b", "c"):
            put(engine, "p", f"{name}.txt", policy)
        put(engine, "p", "d.txt", policy.replace("badge", "laptop"))
        put(engine, "p", "e.txt", policy + "It has 3 stripes.")
        engine.drain()
        hits = engine.search(SearchRequest("employee badge", top_k=10))
        assert len(hits) == 3  # the laptop is another text for who asks for a badge, and so is a number
        assert sorted(len(hit.others) for hit in hits) == [0, 0, 2]
        everything = engine.search(SearchRequest("employee badge", top_k=10, collapse=False))
        assert len(everything) == 5
        assert not any(hit.others for hit in everything)
        assert {hit.chunk.id for hit in everything} == {key for hit in hits for key in (hit.chunk.id, *hit.others)}


# --- the words of another version


def make_old(engine: Engine) -> None:
    """Turn a store's index into one whose words are not ours, as 0.1.0 made it."""
    import lancedb

    table = engine.parts.index._open()
    table.drop_columns([words.COLUMN])
    config = lancedb.index.FTS(base_tokenizer="icu/split", remove_stop_words=False, max_token_length=None)
    table.create_index("passage", config=config, name=words.OLD_INDEX)
    with engine.parts.database.transaction() as connection:
        for name in ("word", "counted", "word_total"):
            connection.execute(f"DELETE FROM {name}")


def counted(engine: Engine) -> tuple[object, dict[str, int]]:
    counts = WordCounts(engine.parts.database, WORDS_VERSION)
    return counts.totals(), counts.chunks_with(TOPICS)


def test_an_old_index_answers_until_its_words_are_made_from_the_stored_text(tmp_path: Path) -> None:
    with open_engine(tmp_path / "store") as engine:
        for number in range(40):
            put(engine, "p", f"note{number}.md", page(number))
        engine.drain()
        fresh = engine.search(SearchRequest("town7", top_k=3))
        expected = counted(engine)
        make_old(engine)
    with open_engine(tmp_path / "store") as engine:
        assert engine.search(SearchRequest("town7", mode=SearchMode.TEXT))[0].file.file_id == "note7.md"
        assert not engine.parts.index.has_words
        put(engine, "p", "late.md", page(77))
        engine.drain()
        assert engine.parts.index.has_words
        check(engine)
        engine.delete_file("p", "late.md")
        engine.maintain()
        assert counted(engine) == expected
        renewed = engine.search(SearchRequest("town7", top_k=3))
        assert [(hit.chunk.id, hit.score) for hit in renewed] == [(hit.chunk.id, hit.score) for hit in fresh]


def test_what_is_counted_is_what_the_files_hold_through_replacements_and_deletions(tmp_path: Path) -> None:
    with open_engine(tmp_path / "store") as engine:
        for number in range(12):
            put(engine, "p", f"note{number}.md", page(number))
        engine.drain()
        put(engine, "p", "note3.md", page(103))
        engine.drain()
        engine.delete_files("p", ["note4.md", "note5.md"])
        engine.maintain()
        revisions = [file.revision for file in engine.files("p")]
        counts = count_by_revision(engine.parts.index.words_of(revisions), WORDS_VERSION).values()
        totals, known = counted(engine)
        assert totals.n_chunks == sum(count.n_chunks for count in counts) == 10
        assert totals.n_words == sum(count.n_words for count in counts)
        for topic in TOPICS:
            assert known.get(topic, 0) == sum(count.chunks_with[topic] for count in counts), topic
