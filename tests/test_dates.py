"""When documents were changed: where the date comes from, what asks for it, and who prefers new ones."""

import io
import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from openrag_cli.documents.readers.markup import dates_of_page
from openrag_cli.documents.readers.pdf_pages.title import date_of_pdf
from openrag_cli.errors import InvalidInput
from openrag_cli.store.files.dates import read_bound, read_date, stated_at

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-03-01", "2026-03-01T00:00:00+00:00"),
        ("2026-03-01T09:30:00+02:00", "2026-03-01T07:30:00+00:00"),
        ("2026-03-01T09:30:00.125Z", "2026-03-01T09:30:00.125000+00:00"),
        ("2026-03-01T09:30:00,5", "2026-03-01T09:30:00.500000+00:00"),
        ("2026-03-01 09:30", "2026-03-01T09:30:00+00:00"),
        ("2007-06-28 12:53:41 -0700 (Thu, 28 Jun 2007)", "2007-06-28T19:53:41+00:00"),
        ("Thu, 05 Mar 2026 10:00:00 +0100", "2026-03-05T09:00:00+00:00"),
        ("23-Mar-2001", "2001-03-23T00:00:00+00:00"),
        ("March 1, 2026", "2026-03-01T00:00:00+00:00"),
        ("1 March 2026", "2026-03-01T00:00:00+00:00"),
        ("2026/03/01", "2026-03-01T00:00:00+00:00"),
        ("01.03.2026", "2026-03-01T00:00:00+00:00"),
        ("2026-03", "2026-03-01T00:00:00+00:00"),
        (2026, "2026-01-01T00:00:00+00:00"),
        (1_772_323_200, "2026-03-01T00:00:00+00:00"),
        (1_772_323_200_000, "2026-03-01T00:00:00+00:00"),
    ],
)
def test_dates_are_read_as_people_and_programs_write_them(value, expected):
    assert read_date(value).isoformat() == expected


@pytest.mark.parametrize(
    "value",
    ["", "soon", "3/4/2026", "2026-13-01", "2026-02-30", "12", 12, True, None, [], {}, "0001-01-01T00:00+14:00"],
)
def test_what_is_no_date_is_none(value):
    assert read_date(value) is None


def test_what_tells_of_a_change_goes_before_what_tells_of_the_beginning():
    assert stated_at({"date": "2020-01-01", "Last-Modified": "2021-01-01"}).year == 2021
    assert stated_at({"created": "2020-01-01", "updated": "lately"}).year == 2020
    assert stated_at({"title": "2020-01-01"}) is None


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026-03-01", "2026-03-01T00:00:00.000", "2026-03-01T23:59:59.999"),
        ("2026-02", "2026-02-01T00:00:00.000", "2026-02-28T23:59:59.999"),
        ("2025-12", "2025-12-01T00:00:00.000", "2025-12-31T23:59:59.999"),
        ("2024", "2024-01-01T00:00:00.000", "2024-12-31T23:59:59.999"),
        ("2026-03-01T09:30Z", "2026-03-01T09:30:00.000", "2026-03-01T09:30:00.000"),
        ("30d", "2026-02-13T12:00:00.000", "2026-02-13T12:00:00.000"),
        ("2 weeks", "2026-03-01T12:00:00.000", "2026-03-01T12:00:00.000"),
        ("yesterday", "2026-03-14T00:00:00.000", "2026-03-14T23:59:59.999"),
    ],
)
def test_a_bound_is_all_of_the_day_the_month_or_the_year(text, first, last):
    shown = [read_bound(text, now=NOW, is_last=is_last) for is_last in (False, True)]
    assert [moment.isoformat(timespec="milliseconds").removesuffix("+00:00") for moment in shown] == [first, last]


@pytest.mark.parametrize("text", ["soon", "30", "30x", "2026-13", "", "99999999d", "999999y"])
def test_what_is_no_bound_is_refused(text):
    with pytest.raises(InvalidInput):
        read_bound(text, now=NOW)


def test_a_web_page_tells_its_dates_in_many_ways():
    page = """<head><!-- <meta name="date" content="1999-01-01"> -->
    <META content='2026-03-02T10:00:00Z' property="article:modified_time"><meta name=date content=2026-01-05></head>"""
    assert dates_of_page(page) == {"modified": "2026-03-02T10:00:00Z", "date": "2026-01-05"}
    linked = (
        '<script type="application/ld+json">{"dateModified": "2025-05-05", "datePublished":"2024-04-04"}</script>'
    )
    assert dates_of_page(linked) == {"modified": "2025-05-05", "date": "2024-04-04"}
    assert dates_of_page("<p>2026-03-02</p>") == {}


class _Pdf:
    def __init__(self, **said):
        self.get_metadata_value = lambda key: said.get(key, "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("D:20260301093000+01'00'", "2026-03-01T09:30:00+01:00"),
        ("D:20260301093000Z", "2026-03-01T09:30:00+00:00"),
        ("D:202603", "2026-03-01T00:00:00+00:00"),
        ("20260301093000-05'30", "2026-03-01T09:30:00-05:30"),
        ("D:20269901", None),
        ("yesterday", None),
    ],
)
def test_a_pdf_tells_its_date_as_its_standard_writes_it(text, expected):
    assert date_of_pdf(_Pdf(ModDate=text)) == expected
    assert date_of_pdf(_Pdf(ModDate="no date", CreationDate="D:2020")) == "2020-01-01T00:00:00+00:00"


# --- through the program


def _dated(path, text, day):
    path.write_text(text)
    moment = datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
    os.utime(path, (moment, moment))


@pytest.fixture
def archive(cli, tmp_path):
    """Notes of several years on zebras: dated by their files, one by its front matter, one by a mail's header."""
    folder = tmp_path / "zoo"
    folder.mkdir()
    for year in (2019, 2021, 2023):
        _dated(folder / f"{year}.md", f"# Zebras\n\nThe zebras of the zoo in {year} ate hay.\n", f"{year}-06-01")
    _dated(
        folder / "said.md", "---\ndate: 2024-02-03\n---\n\nThe zebras of the zoo ate hay and straw.\n", "2018-01-01"
    )
    _dated(
        folder / "mail.eml",
        "From: a@example.com\nSubject: Zebras\nDate: Mon, 03 Mar 2025 10:00:00 +0100\n\nThe zebras of the zoo ate oats.\n",
        "2018-01-01",
    )
    assert cli("file", "add", folder, "-p", "zoo").code == 0
    return cli


def _found(result):
    return [hit["file_id"] for hit in result.json["hits"]]


ZEBRAS = ("search", "zebras of the zoo", "-p", "zoo", "-k", "9", "--all-chunks", "--json")


def test_every_file_has_the_date_that_it_states_or_that_of_its_file(archive):
    files = archive("file", "list", "-p", "zoo", "--json").json["files"]
    assert {file["file_id"]: file["modified_at"][:10] for file in files} == {
        "2019.md": "2019-06-01", "2021.md": "2021-06-01", "2023.md": "2023-06-01", "said.md": "2024-02-03",
        "mail.eml": "2025-03-03",
    }  # fmt: skip
    hits = archive(*ZEBRAS).json["hits"]
    assert {hit["file_id"]: hit["modified_at"] for hit in hits} == {
        file["file_id"]: file["modified_at"] for file in files
    }


def test_since_and_until_let_through_files_of_those_dates(archive):
    assert sorted(_found(archive(*ZEBRAS, "--since", "2023"))) == ["2023.md", "mail.eml", "said.md"]
    assert sorted(_found(archive(*ZEBRAS, "--until", "2021-06-01"))) == ["2019.md", "2021.md"]
    assert sorted(_found(archive(*ZEBRAS, "--since", "2021", "--until", "2023-06"))) == ["2021.md", "2023.md"]
    assert _found(archive(*ZEBRAS, "--since", "2021", "--filter", 'filename = "2019.md"')) == []
    assert _found(archive(*ZEBRAS, "--filter", 'modified_at >= "2025"')) == ["mail.eml"]
    assert archive(*ZEBRAS, "--since", "soon").code == 2
    assert archive(*ZEBRAS, "--since", "2025", "--until", "2021").code == 2
    assert archive("search", "zebras", "--since", "1d").code == 1


def test_hits_come_newest_first_where_that_is_asked(archive):
    hits = archive(*ZEBRAS, "--sort", "date").json["hits"]
    assert [hit["file_id"] for hit in hits] == ["mail.eml", "said.md", "2023.md", "2021.md", "2019.md"]
    assert [hit["rank"] for hit in hits] == [1, 2, 3, 4, 5]
    assert {hit["chunk_id"] for hit in hits} == {hit["chunk_id"] for hit in archive(*ZEBRAS).json["hits"]}


def test_new_documents_gain_a_bounded_bonus_and_weak_hits_none(archive, tmp_path):
    today = datetime.now(UTC)
    for name, age in (("old", 3000), ("new", 1)):
        _dated(
            tmp_path / f"{name}.md",
            "# Oats\n\nThe price of oats is 12 francs.\n",
            (today - timedelta(age)).date().isoformat(),
        )
        archive("file", "add", tmp_path / f"{name}.md", "-p", "oats")
    _dated(tmp_path / "far.md", "Parliament debates the budget of the navy.\n", today.date().isoformat())
    archive("file", "add", tmp_path / "far.md", "-p", "oats")
    ask = ("search", "price of oats", "-p", "oats", "--all-chunks", "--json")
    plain = {hit["file_id"]: hit for hit in archive(*ask).json["hits"]}
    preferred = archive(*ask, "--prefer-recent", "1").json["hits"]
    gained = {hit["file_id"]: hit["score"] - plain[hit["file_id"]]["score"] for hit in preferred}
    best = max(hit["score"] for hit in plain.values())
    assert preferred[0]["file_id"] == "new.md"
    assert 0 < gained["old.md"] < gained["new.md"] <= 0.3 * best + 1e-6
    assert gained["far.md"] == 0
    assert preferred[-1]["file_id"] == "far.md"
    assert "recent" in preferred[0]["scores"]
    assert archive(*ask, "--prefer-recent", "2").code == 2


def test_a_citation_and_a_passage_tell_the_day(archive):
    answered = archive("ask", "what did the zebras of the zoo eat?", "-p", "zoo", "-f", "said.md", "--no-llm")
    assert answered.out.rstrip().endswith(", 2024-02-03")
    cited = archive("ask", "what did the zebras eat?", "-p", "zoo", "-f", "said.md", "--no-llm", "--json").json[
        "citations"
    ]
    assert cited[0]["modified_at"] == "2024-02-03T00:00:00.000Z"


def test_what_a_user_says_goes_before_all_and_an_edit_changes_the_date(archive):
    archive("file", "edit", "2019.md", "-p", "zoo", "-m", "date=2030-01-01")
    assert archive("file", "show", "2019.md", "-p", "zoo", "--json").json["modified_at"] == "2030-01-01T00:00:00.000Z"
    assert archive(*ZEBRAS, "--sort", "date").json["hits"][0]["file_id"] == "2019.md"
    archive("file", "edit", "2019.md", "-p", "zoo", "--remove", "date")
    assert archive("file", "show", "2019.md", "-p", "zoo", "--json").json["modified_at"][:10] == "2019-06-01"


def test_the_date_survives_refreshing_exporting_and_importing(archive, tmp_path):
    before = {
        file["file_id"]: file["modified_at"] for file in archive("file", "list", "-p", "zoo", "--json").json["files"]
    }
    assert archive("file", "refresh", "-p", "zoo").code == 0
    after = {
        file["file_id"]: file["modified_at"] for file in archive("file", "list", "-p", "zoo", "--json").json["files"]
    }
    assert after == before
    assert archive("export", "-p", "zoo", "-o", tmp_path / "out").code == 0
    assert archive("import", tmp_path / "out", "-p", "again").code == 0
    files = archive("file", "list", "-p", "again", "--json").json["files"]
    assert {file["file_id"]: file["modified_at"] for file in files} == before


def test_a_file_on_stdin_has_the_date_of_its_coming(cli, environment):
    environment.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"# Zebra\n\nThe zebra eats.\n")))
    assert cli("file", "add", "-", "--id", "x.md").code == 0
    shown = cli("file", "show", "x.md", "--json").json
    assert shown["modified_at"][:10] == shown["indexed_at"][:10]
    assert json.dumps(shown)


def test_the_prompt_tells_the_day_of_each_passage():
    from openrag_cli.answering.conversation import Message
    from openrag_cli.answering.messages import Composer
    from openrag_cli.answering.prompts import Prompts
    from openrag_cli.domain import File, Passage

    file = File(
        "p", "policy.pdf", "", "policy.pdf", "", 0, "", {}, 1, NOW, NOW, modified_at=datetime(2026, 3, 1, tzinfo=UTC)
    )
    passage = Passage(1, file, "c", 1.0, 0, 5, 12, 1, 1, (), "Rules")
    messages, _ = Composer(Prompts.load()).with_passages(
        [Message("user", "what?")], "what?", [passage], history_tokens=99
    )
    assert "policy.pdf, page 12, 2026-03-01" in messages[-1]["content"]
