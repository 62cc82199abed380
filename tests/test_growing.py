"""Hits grown to their neighbours: order, passages that merge, one budget, short files whole."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openrag_cli.domain import Chunk, Document, File, Hit, Span
from openrag_cli.retrieval.growing import WHOLE_SHARE, grown
from openrag_cli.retrieval.llm_tokens import estimate_tokens

LONG_AGO = datetime.fromtimestamp(0, tz=UTC)


def _file(revision, sizes):
    """Return a file, its chunks of so many characters, and its document."""
    chunks, texts, at, line = [], [], 0, 1
    for ordinal, size in enumerate(sizes):
        text = f"{ordinal:03} " + "word " * size + "end."
        span = Span(text, at, at + len(text), line, line, None, ())
        chunks.append(Chunk(f"{revision}{ordinal}", "p", revision, ordinal, span))
        texts.append(text)
        at, line = at + len(text) + 2, line + 2
    file = File("p", revision, revision, revision, "", 0, "", {}, len(sizes), LONG_AGO, LONG_AGO)
    return file, chunks, Document("\n\n".join(texts))


def _grow(files, found, **options):
    by_revision = {file.revision: (file, chunks, document) for file, chunks, document in files}
    hits = [
        Hit(by_revision[revision][1][ordinal], by_revision[revision][0], 1.0 - rank / 100, {})
        for rank, (revision, ordinal) in enumerate(found)
    ]
    chunks = {revision: entry[1] for revision, entry in by_revision.items()}
    documents = {revision: entry[2] for revision, entry in by_revision.items()}
    return hits, grown(hits, chunks, documents, **options)


def _shown(hits):
    return [None if hit.passage is None else (hit.passage.text[:3], hit.passage.line_end) for hit in hits]


def test_a_hit_grows_to_so_many_neighbours_and_no_further_than_its_file():
    _, found = _grow([_file("a", [9] * 20)], [("a", 9), ("a", 0)], n_neighbours=2, max_tokens=4000)
    assert _shown(found) == [("007", 23), ("000", 5)]


def test_passages_that_meet_are_one_and_belong_to_the_better_hit():
    hits, found = _grow([_file("a", [9] * 20)], [("a", 8), ("a", 5), ("a", 15)], n_neighbours=1, max_tokens=4000)
    assert [hit.chunk for hit in found] == [hit.chunk for hit in hits]
    assert _shown(found) == [("004", 19), None, ("014", 33)]
    assert found[1].within == hits[0].chunk.id


def test_the_budget_goes_to_the_best_hits_and_each_hit_keeps_its_own_text():
    cost = estimate_tokens("000 " + "word " * 40 + "end.")
    _, found = _grow([_file("a", [40] * 30)], [("a", 5), ("a", 20)], n_neighbours=3, max_tokens=5 * cost)
    assert _shown(found) == [("004", 15), ("020", 41)]


def test_a_short_file_that_is_hit_in_half_of_its_chunks_comes_whole():
    both = [_file("a", [9] * 6), _file("b", [9] * 12)]
    found = [("a", 0), ("a", 5), ("a", 3), ("b", 0), ("b", 6), ("b", 9)]
    _, whole = _grow(both, found, n_neighbours=1, max_tokens=4000)
    assert whole[0].passage.text == both[0][2].markdown
    assert whole[3].passage.text != both[1][2].markdown
    _, cut = _grow(both[:1], found[:3], n_neighbours=1, max_tokens=60)
    assert cut[0].passage.text != both[0][2].markdown


@settings(deadline=None)
@given(
    sizes=st.lists(st.lists(st.integers(1, 60), min_size=1, max_size=12), min_size=1, max_size=3),
    picks=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 11)), min_size=1, max_size=8, unique=True),
    n_neighbours=st.integers(1, 10),
    max_tokens=st.integers(1, 600),
)
def test_every_hit_is_in_one_passage_within_the_budget(sizes, picks, n_neighbours, max_tokens):
    files = [_file(name, own) for name, own in zip("abc", sizes, strict=False)]
    found = [("abc"[f], c) for f, c in picks if f < len(files) and c < len(sizes[f])]
    if not found:
        return
    documents = {file.revision: document.markdown for file, _, document in files}
    hits, shown = _grow(files, found, n_neighbours=n_neighbours, max_tokens=max_tokens)
    assert [(hit.chunk, hit.score) for hit in shown] == [(hit.chunk, hit.score) for hit in hits]
    passages = {hit.chunk.id: hit for hit in shown if hit.passage}
    for hit in shown:
        owner = passages[hit.within or hit.chunk.id]
        assert owner.score >= hit.score
        assert owner.file.revision == hit.file.revision
        assert owner.passage.start <= hit.chunk.span.start < hit.chunk.span.end <= owner.passage.end
    for hit in passages.values():
        span = hit.passage
        assert documents[hit.file.revision][span.start : span.end] == span.text
    spans = sorted((hit.file.revision, hit.passage.start, hit.passage.end) for hit in passages.values())
    assert all(one[0] != other[0] or one[2] < other[1] for one, other in pairwise(spans))
    own = sum(estimate_tokens(hit.chunk.span.text) for hit in hits)
    n_joined = sum(hit.passage.text.count("end.") for hit in passages.values())
    cost = sum(estimate_tokens(part + "end.") for hit in passages.values() for part in _parts(hit.passage.text))
    assert n_joined >= len(hits)
    assert cost <= max(own, max_tokens)
    for file, chunks, _ in files:
        n_hit = sum(hit.file.revision == file.revision for hit in hits)
        rest = sum(estimate_tokens(chunk.span.text) for chunk in chunks) + own
        if n_hit >= WHOLE_SHARE * len(chunks) and n_hit and rest <= max_tokens and len(files) == 1:
            assert any(hit.passage.text == documents[file.revision] for hit in passages.values())


def _parts(text):
    return [part.strip() for part in text.split("end.")[:-1]]


# --- through the program


@pytest.fixture
def zoo(cli, tmp_path):
    """Twelve sections in one file, each a chunk of its own; the zebra is in two of them."""
    sections = []
    for n in range(12):
        beast = "zebra" if n in {3, 5} else "horse"
        sections.append(f"## Stable {n}\n\nThe {beast} of stable {n} eats. " + f"Hay and straw lie in row {n}. " * 20)
    (tmp_path / "zoo.md").write_text("# Zoo\n\n" + "\n\n".join(sections) + "\n")
    assert cli("file", "add", "zoo.md", "-p", "zoo").code == 0
    return cli


def test_search_shows_neighbours_and_tells_them_in_json(zoo, tmp_path):
    text = (tmp_path / "zoo.md").read_text()
    plain = zoo("search", "zebra", "-k", "2", "--mode", "text", "--json").json["hits"]
    hits = zoo("search", "zebra", "-k", "2", "--mode", "text", "--context", "1", "--json").json["hits"]
    assert [hit["chunk_id"] for hit in hits] == [hit["chunk_id"] for hit in plain]
    assert [hit["score"] for hit in hits] == [hit["score"] for hit in plain]
    passage = hits[0]["passage"]
    assert text[passage["start"] : passage["end"]] == passage["text"]
    assert "zebra of stable 3" in passage["text"]
    assert "zebra of stable 5" in passage["text"]
    assert hits[1]["passage"] is None
    assert hits[1]["within"] == hits[0]["chunk_id"]
    assert "passage" not in plain[0]
    shown = zoo("search", "zebra", "-k", "2", "--mode", "text", "--context", "1").out
    assert "in the passage of hit 1" in shown
    assert "horse of stable 4" in shown
    assert zoo("search", "zebra", "--context", "11").code == 2


def test_an_answer_is_made_of_what_surrounds_its_hits(zoo):
    plain = zoo("ask", "which zebra eats?", "--json", "-k", "1").json["sources"]
    grown_ones = zoo("ask", "which zebra eats?", "--json", "-k", "1", "--context", "2").json["sources"]
    assert len(plain) == len(grown_ones) == 1
    assert grown_ones[0]["chunk_id"] == plain[0]["chunk_id"]
    assert grown_ones[0]["end"] - grown_ones[0]["start"] > 2 * (plain[0]["end"] - plain[0]["start"])


def test_a_passage_over_two_pages_is_cited_by_both_and_a_quote_by_its_own():
    from openrag_cli.answering.passages import gather
    from openrag_cli.contract.to_json import passage as as_json
    from openrag_cli.contract.to_json import place
    from openrag_cli.domain import Page

    file, chunks, document = _file("a", [9, 9])
    border = chunks[1].span.start
    pages = (Page(1, 0, border), Page(2, border, len(document.markdown)))
    document = Document(document.markdown, pages)
    hit = Hit(chunks[0], file, 1.0, {})
    [grown_hit] = grown([hit], {"a": chunks}, {"a": document}, n_neighbours=1, max_tokens=400)
    [passage] = gather([grown_hit], lambda _: document, max_tokens=400)
    assert place(as_json(passage)) == "a p.1-2"
    assert place(as_json(passage.narrowed(border, border + 5))) == "a p.2"
    assert place(as_json(passage.narrowed(0, 5))) == "a p.1"


def test_the_beginning_of_a_chunks_id_is_enough(zoo):
    hit = zoo("search", "zebra", "--json").json["hits"][0]
    assert zoo("extract", "show", hit["chunk_id"][:12], "--json").json["chunk_id"] == hit["chunk_id"]
    assert zoo("extract", "show", "0" * 12).code == 66
