"""Answers without a language model: what a text is made of, what of it answers, and what is refused."""

import dataclasses
import io
import re

import pytest
from harness import open_engine, put
from test_chat import answer

from openrag_cli.answering.extractive import TO_COMPUTE
from openrag_cli.answering.passages import gather
from openrag_cli.answering.quoting import blocks, evidence
from openrag_cli.answering.quoting.asked import Kind, asking, fits, kind_of, read_question
from openrag_cli.answering.quoting.figures import rows as statement_rows
from openrag_cli.answering.quoting.names import missing_names
from openrag_cli.answering.quoting.source_code import dedented
from openrag_cli.answering.quoting.units import units
from openrag_cli.ingest.upload import new_upload
from openrag_cli.retrieval.request import SearchRequest

GUIDE = """---
title: "Splitter"
slug: "/splitter"
---

# Splitter

<Tip kind="x" />

The splitter cuts texts. These parameters can be set:

- `split_by` can be `"word"`, `"sentence"` or `"page"`.
- `split_length` is the size of a chunk.

## Installation

Use [pip](https://example.org/pip) to install the splitter:

```shell
pip install splitter-tool

pip check
```

## Ports

| Service | Port |
| --- | --- |
| gateway | 8443 |
| metrics | 9100 |

## Undo

- Undo the last commit, keeping its changes:

`git reset HEAD~`
"""
SCHEDULE = """PEP: 9001
Title: Release of the thing
Author: Somebody <x@example.org>

Schedule
========

Use ``frob()`` as in :pep:`8`. To define a colour, write::

    class Colour(Enum):
        red = 1

Tier 1
------

====================== =====
Target                 Notes
====================== =====
aarch64-apple-darwin   clang
x86_64-unknown-linux   gcc
====================== =====
"""
STATEMENT = """ACME CORPORATION
CONSOLIDATED STATEMENTS OF OPERATIONS
(in millions)
2017 2018 2019
Total net sales $ 177,866 $ 232,887 $ 280,522
Cost of sales 111,934 139,156 165,536
Fulfillment 25,249 34,027 40,232
Net income $ 3,033 $ 10,073 $ 11,588
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with open_engine(tmp_path_factory.mktemp("quoting") / "store") as opened:
        put(opened, "guide", "splitter.md", GUIDE)
        put(opened, "guide", "schedule.rst", SCHEDULE)
        put(opened, "figures", "acme-2019.txt", STATEMENT)
        opened.drain()
        yield opened


def shown(engine, partition: str, file_id: str) -> list[str]:
    """The units of a whole file, as they are shown."""
    hits = engine.search(SearchRequest(file_id, partitions=(partition,), file_ids=(file_id,), top_k=50))
    passages = gather(hits, engine.parts.catalog.document, max_tokens=100_000)
    for passage in passages:
        document = engine.document(partition, file_id)
        for unit in units(passage):
            assert passage.start <= unit.start < unit.end <= passage.end
            assert document.markdown[unit.start : unit.end] == passage.narrowed(unit.start, unit.end).text
    return [unit.shown for passage in passages for unit in units(passage)]


def put_named(engine, partition: str, name: str, text: str) -> None:
    """Add a file whose kind its name tells, and index it."""
    engine.submit(new_upload(partition, name, name, {}), io.BytesIO(text.encode()))
    engine.drain()


def test_a_list_item_stands_below_the_line_that_announces_it(engine):
    lead = "These parameters can be set:"
    assert f'{lead}\n\n- `split_by` can be `"word"`, `"sentence"` or `"page"`.' in shown(
        engine, "guide", "splitter.md"
    )


def test_code_stands_whole_below_the_sentence_before_it(engine):
    expected = "Use pip to install the splitter:\n\n```shell\npip install splitter-tool\n\npip check\n```"
    assert expected in shown(engine, "guide", "splitter.md")


def test_a_row_stands_below_the_head_of_its_table(engine):
    assert "| Service | Port |\n| --- | --- |\n| gateway | 8443 |" in shown(engine, "guide", "splitter.md")


@pytest.mark.parametrize(
    ("name", "text", "question", "expected"),
    [
        (
            "limits.csv",
            "what,limit,approved by\nhotel,160 a night,lead\nbook,250 a year,nobody\n",
            "What is the limit for a hotel?",
            "| what | limit | approved by |\n| --- | --- | --- |\n| hotel | 160 a night | lead |",
        ),
        (
            "rooms.csv",
            'room;note\nAlder;"seats 4; has a ""quiet"" door"\nBirch;"seats 9 | two doors"\n',
            "How many seats has the room Birch?",
            "| room | note |\n| --- | --- |\n| Birch | seats 9 \\| two doors |",
        ),
        (
            "hosts.tsv",
            "host\tport\ngateway\t8443\nmetrics\t9100\n",
            "Which port has the host metrics?",
            "| host | port |\n| --- | --- |\n| metrics | 9100 |",
        ),
    ],
)
def test_a_row_of_a_file_of_rows_stands_below_its_head(engine, name, text, question, expected):
    put_named(engine, f"rows-{name}", name, text)
    assert expected in shown(engine, f"rows-{name}", name)
    said = answer(engine, question, search=SearchRequest("", partitions=(f"rows-{name}",)))[1].text
    assert expected.rsplit("\n", 1)[1] in said


@pytest.mark.parametrize(
    ("name", "text", "question", "expected"),
    [
        (
            "vault.py",
            '"""Keys."""\n\n\nclass Rotator:\n\n    def rotate(self, days=90):\n        self.okapi = days\n\n\nx = 1\n',
            "After how many days does the class Rotator rotate?",
            "```python\nclass Rotator:\n    def rotate(self, days=90):\n        self.okapi = days\n```",
        ),
        (
            "billing.yaml",
            "service: billing\nreplicas: 3\nowner: Jane\n\nother: 5\n",
            "How many replicas has the service billing?",
            "```yaml\nservice: billing\nreplicas: 3\nowner: Jane\n```",
        ),
        (
            "Makefile",
            "demo:\n\tpip install .\n\tokapi --demo\n",
            "What does the demo install with pip?",
            "demo:\n    pip install .",
        ),
    ],
)
def test_source_code_stands_as_code_with_its_lines(engine, name, text, question, expected):
    put_named(engine, f"code-{name}", name, text)
    said = answer(engine, question, search=SearchRequest("", partitions=(f"code-{name}",)))[1].text
    assert expected in said
    assert said.count("```") % 2 == 0


def test_code_whose_first_line_lost_its_indentation_is_code():
    lines = [
        'YieldT = TypeVar("YieldT")',
        '   SendT = TypeVar("SendT")',
        "",
        "   class Okapi(Generic): ...",
        "",
        "Prose.",
    ]
    first, *others = blocks.blocks(lines)
    assert (first.kind, first.first, first.last) == (blocks.Kind.CODE, 0, 4)
    assert [block.kind for block in others] == [blocks.Kind.PROSE]
    assert dedented(lines[:2], is_first=True) == 'YieldT = TypeVar("YieldT")\nSendT = TypeVar("SendT")'
    assert dedented(["def f():", "    pass"], is_first=True) == "def f():\n    pass"


def test_a_row_far_down_a_file_of_rows_has_its_head_and_its_place(engine):
    lines = ["number;colour;remark", *(f'{n};shade {n};"row {n} of many; it says no more"' for n in range(300))]
    put_named(engine, "shades", "shades.csv", "\n".join(lines))
    finished = answer(engine, "Which colour has number 217?", search=SearchRequest("", partitions=("shades",)))[1]
    assert "| number | colour | remark |" in finished.text
    assert "| 217 | shade 217 | row 217 of many; it says no more |" in finished.text
    assert finished.citations[0].line_start == 219


def test_tags_that_say_how_a_word_looks_are_left_out_of_a_plain_text(engine):
    text = "<i>Robur the Pump</i>\n\nThe pump <b>Robur</b> moves 5 m<sup>3</sup> an hour. Write `<br>` for a break.\n"
    put_named(engine, "tags", "robur.txt", text)
    assert shown(engine, "tags", "robur.txt") == [
        "Robur the Pump",
        "The pump Robur moves 5 m3 an hour.",
        "Write `<br>` for a break.",
    ]


def test_an_item_that_ends_in_a_colon_brings_the_command_below_it(engine):
    found = shown(engine, "guide", "splitter.md")
    assert "- Undo the last commit, keeping its changes:\n\n`git reset HEAD~`" in found


def test_headings_front_matter_and_tags_are_no_units(engine):
    found = "\n".join(shown(engine, "guide", "splitter.md"))
    assert "Installation" not in found
    assert "slug" not in found
    assert "<Tip" not in found


def test_restructured_text_is_shown_as_markdown(engine):
    found = shown(engine, "guide", "schedule.rst")
    assert "To define a colour, write:\n\n```\nclass Colour(Enum):\n    red = 1\n```" in found
    assert any("```\n===" in unit and "aarch64-apple-darwin   clang" in unit for unit in found)


def test_a_name_that_the_best_passages_lack_is_looked_for_in_all_documents(engine):
    for at in range(12):
        put(engine, "crowd", f"{at}.md", f"# Budget {at}\n\nThe yearly budget of department {at} is {at} million.\n")
    put(engine, "crowd", "note.md", "# Note\n\nZanzibarco is a partner.\n")
    engine.drain()
    search = SearchRequest("", partitions=("crowd",), top_k=3)
    _, finished, _ = answer(engine, "What is the yearly budget of the department of Zanzibarco?", search=search)
    assert not finished.text.startswith("No document names")
    _, finished, _ = answer(engine, "What is the yearly budget of the department of Atlantisco?", search=search)
    assert finished.text == "No document names Atlantisco."


def test_nothing_ends_at_a_colon(engine):
    for file_id in ("splitter.md", "schedule.rst"):
        assert not [unit for unit in shown(engine, "guide", file_id) if unit.rstrip().endswith(":")]


def test_a_figure_is_shown_with_its_row_its_unit_and_its_column(engine):
    search = SearchRequest("", partitions=("figures",))
    _, finished, _ = answer(engine, "What was the net income in 2019 (in USD millions)?", search=search)
    assert "| in millions | 2017 | 2018 | 2019 |" in finished.text
    assert "| Net income | $ 3,033 | $ 10,073 | $ 11,588 |" in finished.text


def test_the_best_unit_comes_first(engine):
    search = SearchRequest("", partitions=("guide",))
    _, finished, _ = answer(engine, "Which port does the gateway service have?", search=search)
    assert finished.text.startswith("| Service | Port |\n| --- | --- |\n| gateway | 8443 |\n\n[1]")


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("What was the revenue of Walmart?", "Walmart"),
        ("What is AMD's quick ratio?", "AMD"),
        ("What was the net income in 2031?", "2031"),
        ("What was the net income in FY22?", "2022"),
        ("How many kWh did the gateway use?", "kWh"),
    ],
)
def test_what_no_document_names_is_told_by_name(engine, question, name):
    _, finished, _ = answer(engine, question)
    assert finished.text == f"No document names {name}."
    assert finished.citations == ()


@pytest.mark.parametrize(
    "question",
    [
        "What was Acme's net income in FY2019?",
        "What was the net income of the ACME Corporation?",
        "How Do I Install The Splitter?",
        "Use USD millions: what is the cost of sales?",
        "Was ist der Gewinn der Gesellschaft, und wie hoch ist die Summe?",
    ],
)
def test_what_a_document_names_is_not_said_to_be_missing(engine, question):
    hits = engine.search(SearchRequest("net income", top_k=10)) + engine.search(SearchRequest("splitter", top_k=10))
    passages = gather(hits, engine.parts.catalog.document, max_tokens=100_000)
    assert missing_names(question, passages) == []


def test_names_are_looked_for_in_titles_and_as_initials(engine):
    hit = engine.search(SearchRequest("net income", partitions=("figures",)))[0]
    named = dataclasses.replace(hit, file=dataclasses.replace(hit.file, filename="Johnson & Johnson 2022.pdf"))
    passages = gather([named], engine.parts.catalog.document, max_tokens=1000)
    assert missing_names("How did JnJ's sales grow?", passages) == []
    assert missing_names("How did Johnson & Johnson's sales grow in 2022?", passages) == []


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How many files may be open?", Kind.NUMBER),
        ("Combien de joueurs y a-t-il ?", Kind.NUMBER),
        ("Wie viele Dateien sind offen?", Kind.NUMBER),
        ("When was it released?", Kind.DATE),
        ("En quelle année a-t-il été fondé ?", Kind.DATE),
        ("¿Cuándo se fundó la ciudad?", Kind.DATE),
        ("Who maintains the module?", Kind.PERSON),
        ("Where is the cache kept?", Kind.PLACE),
        ("Warum ist der Himmel blau?", Kind.REASON),
        ("How do I install it?", Kind.WAY),
        ("Which environment variable sets the port?", Kind.NAME),
        ("How often are the logs rotated?", Kind.FREQUENCY),
        ("À quelle fréquence les clés sont-elles changées ?", Kind.FREQUENCY),
        ("Tell me about the splitter", Kind.ANY),
    ],
)
def test_a_question_tells_what_kind_of_thing_answers_it(question, kind):
    assert kind_of(question) is kind


def test_an_answer_of_the_kind_is_not_what_the_question_says_itself(engine):
    parts = engine.parts
    question = read_question("Who follows Ada Byron?", parts.tokenizer, parts.word_counts)
    assert fits(question, "The next was Grace Hopper.")
    assert not fits(question, "It was not Ada Byron.")


KEYS = """Keys

A rotated key works for another 24 hours, so that running jobs can finish. Rotate a key at once when a laptop is lost.
Rotate every API key every 90 days with the tool. Keys live in a safe, never in a ticket.
"""
FILTERS = """Filtres

Un filtre changé reste humide pendant 24 heures. Le filtre est changé par deux techniciens du service des eaux.
Les filtres de la pompe sont changés tous les six mois, en mars et en septembre.
"""
BACKUPS = """Backups

A backup takes 40 minutes and is kept for 30 days. The 2 disks of a backup stand in different rooms.
Backups are made nightly at the end of the last job.
"""


@pytest.mark.parametrize(
    ("text", "question", "first"),
    [
        (KEYS, "how often do we rotate keys?", "every 90 days"),
        (FILTERS, "À quelle fréquence le filtre est-il changé ?", "tous les six mois"),
        (BACKUPS, "How frequently is a backup made?", "nightly"),
    ],
)
def test_how_often_is_answered_by_a_frequency_and_not_by_another_number(engine, text, question, first):
    name = f"often-{first.replace(' ', '-')}"
    put(engine, name, "page.txt", text)
    engine.drain()
    said = answer(engine, question, search=SearchRequest("", partitions=(name,)))[1].text
    assert first in said.split("\n\n")[0]


def test_sentences_that_say_how_to_answer_are_no_part_of_the_question():
    long = "What was the net income in 2019? Answer in USD millions. Base your judgment on the statement of income."
    assert asking(long) == "What was the net income in 2019?"
    assert asking("Tell me the net income. Use the statement.") == "Tell me the net income. Use the statement."


def test_a_word_that_no_document_has_counts_as_the_rarest(engine):
    parts = engine.parts
    read = read_question("Which port does the quetzal use?", parts.tokenizer, parts.word_counts)
    assert read.weights["quetzal"] == max(read.weights.values())
    assert read.share({"port"}) < 0.5


def test_an_answer_from_several_documents_says_whose_each_part_is(engine):
    put(engine, "teams", "red.md", "# Red\n\nThe red team meets on Monday in the large hall.\n")
    put(engine, "teams", "blue.md", "# Blue\n\nThe blue team meets on Friday in the small hall.\n")
    engine.drain()
    search = SearchRequest("", partitions=("teams",))
    _, finished, _ = answer(engine, "In which hall does the team meet?", search=search)
    assert "large hall. (red.md) [" in finished.text
    assert "small hall. (blue.md) [" in finished.text
    _, finished, _ = answer(
        engine, "On which day does the red team meet?", search=dataclasses.replace(search, top_k=1)
    )
    assert "(red.md)" not in finished.text


REPORT = """BORDEAUX TOOLS, INC.
CONSOLIDATED STATEMENTS OF INCOME
(in millions)
2020 2021 2022
Net sales $ 1,200 $ 1,350 $ 1,500
Cost of goods sold 700 760 840
Gross profit 500 590 660
Operating income 210 250 300
Net income $ 150 $ 180 $ 240

CONSOLIDATED BALANCE SHEETS
(in millions)
2021 2022
Cash and cash equivalents $ 90 $ 110
Accounts receivable, net 140 150
Inventories 300 420
Total current assets 530 680
Total assets $ 1,900 $ 2,150
Accounts payable $ 210 $ 260
Total current liabilities 340 400
"""


@pytest.mark.parametrize(
    ("question", "rows"),
    [
        ("What was the inventory turnover of Bordeaux Tools in FY2022?", ["Cost of goods sold", "Inventories"]),
        ("Compute the net profit margin of Bordeaux Tools for 2022.", ["Net income", "Net sales"]),
        (
            "What is the quick ratio of Bordeaux Tools for FY2022?",
            ["Cash and cash equivalents", "Accounts receivable, net", "Total current liabilities"],
        ),
    ],
)
def test_a_computation_is_given_the_rows_it_needs(engine, question, rows):
    put(engine, "report", "bordeaux-tools-2022.txt", REPORT)
    engine.drain()
    _, finished, _ = answer(engine, question, search=SearchRequest("", partitions=("report",)))
    for row in rows:
        assert f"| {row} | " in finished.text
    assert finished.text.count("\n| --- ") == len(rows)
    assert finished.text.endswith(TO_COMPUTE)


def test_a_figure_comes_from_the_report_of_its_year(engine):
    digits = str.maketrans("0123456789", "5678901234")
    other = re.sub(r"(?<![\d,])(?!20\d\d)\d[\d,]*", lambda found: found[0].translate(digits), REPORT)
    other = other.replace("2020 2021 2022", "2019 2020 2021").replace("2021 2022", "2020 2021")
    put(engine, "years", "bordeaux-tools-2021.txt", other)
    put(engine, "years", "bordeaux-tools-2022.txt", REPORT)
    engine.drain()
    search = SearchRequest("", partitions=("years",))
    _, finished, _ = answer(
        engine, "What were the total assets of Bordeaux Tools at the end of FY2021?", search=search
    )
    assert [passage.file.file_id for passage in finished.citations] == ["bordeaux-tools-2021.txt"]


def test_a_report_is_the_company_s_where_its_title_has_a_part_of_the_name(engine):
    put(engine, "parts", "bordeaux-2022.txt", f"Bordeaux Tools Inc.\n\n{REPORT}")
    put(
        engine,
        "parts",
        "garonne-2022.txt",
        f"Garonne Boats Inc., and not Bordeaux Tools\n\n{REPORT}".replace("2", "4"),
    )
    engine.drain()
    search = SearchRequest("", partitions=("parts",))
    _, finished, _ = answer(
        engine, "What were the total assets of Bordeaux Tools at the end of FY2021?", search=search
    )
    assert [passage.file.file_id for passage in finished.citations] == ["bordeaux-2022.txt"]
    assert "Total assets" in finished.text
    assert "\n\n[1]" in finished.text
    assert finished.text.count("[1]") == 1


@pytest.mark.parametrize(
    "question",
    [
        "How do I bake sourdough bread?",
        "How tall is the highest mountain?",
        "Comment tailler un pommier en hiver ?",
        "Wie lange muss ein Ei kochen?",
        "¿Cuánto cuesta un billete de tren?",
    ],
)
def test_what_is_off_the_subject_is_refused(engine, question):
    _, finished, _ = answer(engine, question)
    assert finished.text.startswith(("Nothing in the documents", "No document names"))
    assert finished.citations == ()


@pytest.mark.parametrize(
    ("text", "question", "part"),
    [
        (
            "# Betrieb\n\nDie Schlüssel werden alle neunzig Tage erneuert. Der Server steht in Hamburg.\n",
            "Wie oft werden die Schlüssel erneuert?",
            "neunzig Tage",
        ),
        (
            "# Servicio\n\nLas claves se renuevan cada noventa días. El servidor está en Sevilla.\n",
            "¿Cada cuántos días se renuevan las claves?",
            "noventa días",
        ),
        (
            "# Service\n\nLes clés sont renouvelées tous les trois mois. Le serveur est à Lyon.\n",
            "À quelle fréquence les clés sont-elles renouvelées ?",
            "trois mois",
        ),
    ],
)
def test_other_languages_are_answered(engine, text, question, part):
    partition = f"in-{abs(hash(question))}"
    put(engine, partition, "note.md", text)
    engine.drain()
    _, finished, _ = answer(engine, question, search=SearchRequest("", partitions=(partition,)))
    assert part in finished.text


@pytest.mark.parametrize(
    ("title", "text", "question", "part"),
    [
        (
            "Alionouchka et Ivanouchka",
            (
                "Ivanouchka a soif et veut boire aux flaques. Sa soeur Alionouchka le retient à chaque fois. Il boit, et "
                "Ivanouchka est changé en chevreau."
            ),
            "En quoi est changé Ivanouchka ?",
            "chevreau",
        ),
        (
            "Ivanouchka und Alionouchka",
            (
                "Ivanouchka hat Durst und will trinken. Seine Schwester Alionouchka hält ihn jedes Mal zurück. Er trinkt, und "
                "Ivanouchka wird in ein Zicklein verwandelt."
            ),
            "Worin wird Ivanouchka verwandelt?",
            "Zicklein",
        ),
    ],
)
def test_a_title_in_a_plain_text_is_no_part_of_an_answer(engine, title, text, question, part):
    partition = f"titled-{abs(hash(title))}"
    put_named(engine, partition, "tale.txt", f"{title}\n\n{text}\n")
    _, finished, _ = answer(engine, question, search=SearchRequest("", partitions=(partition,)))
    assert part in finished.text
    assert title not in re.sub(r"[ ]*\[\d\]", "", finished.text).split("\n\n")


@pytest.mark.parametrize(
    ("question", "is_answered"),
    [
        ("Which port does the gateway service have?", True),
        ("How do I install the splitter?", True),
        ("How do I bake sourdough bread?", False),
        ("What is the dosage of paracetamol for children?", False),
    ],
)
def test_an_llm_is_shown_what_an_answer_without_one_would_be_made_of(engine, question, is_answered):
    chat = engine.parts.chat
    passages = gather(engine.search(SearchRequest(question, top_k=8)), engine.parts.catalog.document, max_tokens=4000)
    assert bool(chat._shown([question], passages)) is is_answered
    _, finished, _ = answer(engine, question)
    assert bool(finished.citations) is is_answered


@pytest.mark.parametrize(
    "question",
    [
        "What does the splitter do with a table?",
        "how are code blocks split",
        "What were the total assets of ACME in 2019?",
        "When is the keynote?",
        "How do volcanoes form under the sea?",
        "Who painted the ceiling of the chapel?",
        "table",
    ],
)
def test_looking_at_a_few_units_first_finds_the_same_evidence_as_looking_at_all(engine, question):
    extractive = engine.parts.chat._extractive
    passages = gather(engine.search(SearchRequest(question, top_k=8)), engine.parts.catalog.document, max_tokens=4000)
    best = passages[: evidence.PASSAGES]
    found = extractive.examine(question, best).found
    measure = evidence.measure_for(question, best)
    enough = evidence.evidence(best, found).total(measure) >= measure.floor
    assert extractive.has_evidence(question, passages) is enough
    assert evidence.at_least(best, found).total(measure) <= evidence.evidence(best, found).total(measure) + 1e-9


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (
            "The election is that of the council, as specified in PEP\n13. This is for the term.\nIt ends.\n",
            ["PROSE"],
        ),
        ("(There are as many cases now as there were in the other\n24) It ends.\n", ["PROSE"]),
        ("What is held over the reporting of all these figures; and\n5. The other officers.\n", ["PROSE", "ITEM"]),
        ("Thereafter 45\n4. Fair values\n", ["PROSE", "ITEM"]),
        ("What to do:\n1. Begin.\n2. End.\n", ["PROSE", "ITEM", "ITEM"]),
        ("It goes on.\n7. Seventh.\n8. Eighth.\n", ["PROSE", "ITEM", "ITEM"]),
        ("3. Third.\n4. Fourth.\n", ["ITEM", "ITEM"]),
    ],
)
def test_a_number_that_a_sentence_goes_on_with_begins_no_item(text, kinds):
    assert [block.kind.name for block in blocks.blocks(text.splitlines())] == kinds


def test_a_row_of_a_statement_stands_under_lines_of_its_head_with_one_comma_between():
    head = ["In thousands", "January 28, January 29,", "(Unaudited)"]
    (row,) = statement_rows(["Net income 1,242,408 985,837"], head)
    assert row.title == "In thousands, January 28, January 29, (Unaudited)"
