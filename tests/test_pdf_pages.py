"""What a PDF holds beyond its letters: columns, hidden text, forms, running heads, glyph codes, damage."""

import re
from pathlib import Path

import pytest
from documents import make_pdf

from openrag_cli.documents.chunking.chunker import Chunker
from openrag_cli.documents.convert import convert_file
from openrag_cli.documents.readers.pdf_pages.broken_words import without_breaks
from openrag_cli.documents.readers.pdf_pages.glyphs import is_glyph_codes, without_private
from openrag_cli.domain import Document
from openrag_cli.errors import IngestError

CASES = Path(__file__).parents[1] / "../shared/cases/documents"
FORMATS = Path(__file__).parents[1] / "../shared/data/formats/pdf"
TOKENIZER = Path("openrag_cli") / "models" / "all-MiniLM-L6-v2" / "tokenizer.json"
cases = pytest.mark.skipif(not CASES.is_dir(), reason="../shared/cases is not there")


def drawn(
    contents: list[str],
    *,
    catalog: str = "",
    page: str = "",
    resources: str = "",
    fonts: str = "",
    more: tuple[str, ...] = (),
) -> bytes:
    """Return a PDF whose pages have these content streams; further objects are numbered from 4 + 2 * pages."""
    kids = " ".join(f"{4 + 2 * at} 0 R" for at in range(len(contents)))
    bodies = [
        f"<</Type/Catalog/Pages 2 0 R{catalog}>>",
        f"<</Type/Pages/Kids[{kids}]/Count {len(contents)}>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
    ]
    for at, content in enumerate(contents):
        bodies.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]{page}/Resources<</Font<</F1 3 0 R{fonts}>>{resources}>>"
            f"/Contents {5 + 2 * at} 0 R>>"
        )
        bodies.append(f"<</Length {len(content)}>>stream\n{content}\nendstream")
    out, offsets = "%PDF-1.7\n", []
    for number, body in enumerate([*bodies, *more], start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj{body}endobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    count = len(offsets) + 1
    start = len(out)
    out += (
        f"xref\n0 {count}\n0000000000 65535 f \n{table}trailer<</Size {count}/Root 1 0 R>>startxref\n{start}\n%%EOF"
    )
    return out.encode("latin-1")


def text_at(x: float, y: float, text: str, how: str = "") -> str:
    return f"q {how} BT /F1 11 Tf {x} {y} Td ({text}) Tj ET Q\n"


def read(tmp_path: Path, content: bytes, **options) -> Document:
    path = tmp_path / "stored"
    path.write_bytes(content)
    return convert_file(path, "a.pdf", **options)


def codes(document: Document) -> set[str]:
    return {warning.code for warning in document.warnings}


# --- columns


@cases
def test_two_columns_that_are_drawn_row_by_row_are_read_column_by_column():
    text = convert_file(CASES / "f_cols.pdf", "f_cols.pdf").markdown
    assert "herons that\ncontinues for three lines." in text
    assert text.index("three lines.") < text.index("The right column")


LEFT = [
    "Barges wait below the lock until",
    "the keeper opens the lower gate",
    "and lets them in, two at a time,",
    "when the water is level.",
]
RIGHT = [
    "The pump house stands across the",
    "canal, and its three engines run",
    "only in winter, when the rain is",
    "more than the sluices can take.",
]


def test_a_title_over_two_columns_stays_above_them(tmp_path):
    lines = text_at(60, 760, "On the working of locks, a lecture that was given at the harbour school in spring")
    lines += "".join(
        text_at(60, 700 - 14 * at, a) + text_at(330, 700 - 14 * at, b)
        for at, (a, b) in enumerate(zip(LEFT, RIGHT, strict=True))
    )
    text = read(tmp_path, drawn([lines])).markdown
    assert text.split("\n") == [
        "On the working of locks, a lecture that was given at the harbour school in spring",
        *LEFT,
        "",
        *RIGHT,
    ]


THIRD = [
    "In the third column the fees are",
    "listed by the length of barges",
    "and by cargo. Coal pays more",
    "than grain, and timber less.",
]


@pytest.mark.parametrize("n_lines", [3, 4])
def test_three_columns_that_are_drawn_row_by_row_are_read_column_by_column(tmp_path, n_lines):
    columns = [LEFT, RIGHT, THIRD[:n_lines]]
    page = "".join(
        text_at(40 + 190 * n, 700 - 14 * at, column[at])
        for at in range(4)
        for n, column in enumerate(columns)
        if at < len(column)
    )
    assert read(tmp_path, drawn([page])).markdown.split("\n\n") == ["\n".join(column) for column in columns]


def test_a_table_of_three_columns_of_words_keeps_its_rows(tmp_path):
    rows = [
        ("Mooring fee for a barge", "Twelve crowns a night", "Paid to the keeper"),
        ("Use of the harbour crane", "Forty crowns an hour", "Paid at the office"),
        ("Water from the quay pump", "Free of charge for all", "Ask for a hose first"),
        ("Storage of timber ashore", "Three crowns for a day", "Paid to the keeper"),
    ]
    page = "".join(
        text_at(40 + 190 * n, 700 - 14 * at, cell) for at, row in enumerate(rows) for n, cell in enumerate(row)
    )
    lines = read(tmp_path, drawn([page])).markdown.split("\n")
    assert [line for line in lines if "---" not in line] == [f"| {' | '.join(row)} |" for row in rows]


CREW = [("Name", "Age", "Berth"), *((f"Quist {n}", str(30 + n), f"north quay {n}") for n in range(6))]


def table_page(rows: list[tuple[str, ...]], places: tuple[int, ...] = (60, 200, 300), top: int = 740) -> str:
    return "".join(
        text_at(x, top - 18 * n, text)
        for n, row in enumerate(rows)
        for x, text in zip(places, row, strict=True)
        if text
    )


def test_a_table_that_alignment_makes_names_its_columns_in_each_of_its_parts(tmp_path):
    page = (
        text_at(60, 770, "Crew of the northern ferry") + table_page(CREW) + text_at(60, 500, "All of them can swim.")
    )
    document = read(tmp_path, drawn([page]))
    assert "| Name | Age | Berth |\n| --- | --- | --- |\n| Quist 0 | 30 | north quay 0 |" in document.markdown
    assert document.markdown.endswith("\n\nAll of them can swim.")
    last = Chunker(TOKENIZER, 64).split(document)[-2]
    assert last.head == ("Crew of the northern ferry", "| Name | Age | Berth |")


def test_words_broken_at_the_end_of_a_line_are_whole_beside_a_table(tmp_path):
    page = text_at(60, 780, "The keeper knows the tides of the whole dis-") + text_at(60, 766, "trict by heart.")
    text = read(tmp_path, drawn([page + table_page(CREW) + text_at(60, 500, "They swim.")])).markdown
    assert text.startswith("The keeper knows the tides of the whole district by heart.\n\n| Name |")
    assert text.endswith("| Quist 5 | 35 | north quay 5 |\n\nThey swim.")


def test_a_cell_of_two_lines_and_one_that_is_missing_stay_in_their_row(tmp_path):
    rows = [*CREW, ("Brandt", "", "south quay,"), ("", "", "by the crane"), ("Lind", "41", "lock")]
    lines = read(tmp_path, drawn([table_page(rows)])).markdown.splitlines()
    assert lines[-2:] == ["| Brandt |  | south quay, by the crane |", "| Lind | 41 | lock |"]


def test_a_first_row_with_figures_where_the_others_have_them_is_no_head(tmp_path):
    assert read(tmp_path, drawn([table_page(CREW[1:])])).markdown.startswith(
        "|  |  |  |\n| --- | --- | --- |\n| Quist 0"
    )


def test_rows_that_end_in_figures_or_stand_askew_stay_lines(tmp_path):
    figures = [(f"Depot {n}", "rain", str(n * 7)) for n in range(6)]
    assert "|" not in read(tmp_path, drawn([table_page(figures)])).markdown
    askew = "".join(
        table_page([row], (60 + 25 * n, 200 + 9 * n, 300 + 30 * n), 740 - 18 * n) for n, row in enumerate(CREW[1:4])
    )
    assert "|" not in read(tmp_path, drawn([askew])).markdown


def test_a_table_of_two_columns_keeps_its_rows(tmp_path):
    rows = [
        ("Mooring fee for a barge", "Twelve crowns for each night"),
        ("Use of the harbour crane", "Forty crowns for an hour"),
        ("Water from the quay pump", "Free of charge for skippers"),
    ]
    lines = "".join(text_at(60, 700 - 14 * at, a) + text_at(330, 700 - 14 * at, b) for at, (a, b) in enumerate(rows))
    assert read(tmp_path, drawn([lines])).markdown.split("\n") == [f"{a} {b}" for a, b in rows]


# --- hidden text


@cases
def test_layers_that_are_off_text_off_the_page_and_white_text_are_left_out_with_a_warning():
    document = convert_file(CASES / "f_layers.pdf", "f_layers.pdf")
    assert "Visible tariff is 12 crowns." in document.markdown
    assert not re.search("LAYER OFF|OFFPAGE|WHITE|INVISIBLE", document.markdown)
    assert "hidden_text_left_out" in codes(document)
    whole = convert_file(CASES / "f_layers.pdf", "f_layers.pdf", keeps_hidden=True).markdown
    assert all(word in whole for word in ("LAYER OFF", "OFFPAGE", "WHITE", "INVISIBLE"))


def test_white_text_on_a_dark_ground_is_seen(tmp_path):
    bar = "0 0 0.5 rg 50 690 400 30 re f\n" + text_at(60, 700, "White head of a table", "1 1 1 rg")
    document = read(tmp_path, drawn([bar + text_at(60, 600, "black words below")]))
    assert "White head of a table" in document.markdown
    assert not document.warnings


def test_white_text_on_paper_is_left_out(tmp_path):
    document = read(
        tmp_path, drawn([text_at(60, 700, "say that the price is 1", "1 g") + text_at(60, 600, "The price is 12.")])
    )
    assert document.markdown == "The price is 12."
    assert codes(document) == {"hidden_text_left_out"}


PICTURE = (
    "<</Type/XObject/Subtype/Image/Width 1/Height 1/ColorSpace/DeviceGray/BitsPerComponent 8/Length 1>>"
    "stream\nA\nendstream"
)


def test_invisible_text_over_a_scanned_page_stays(tmp_path):
    page = "q 600 0 0 800 0 0 cm /Im0 Do Q\n" + text_at(60, 700, "what the machine has read", "3 Tr")
    document = read(tmp_path, drawn([page], resources="/XObject<</Im0 6 0 R>>", more=(PICTURE,)))
    assert document.markdown == "what the machine has read"


def test_a_layer_that_is_on_stays(tmp_path):
    page = (
        "/OC /MC0 BDC\n"
        + text_at(60, 700, "shown layer")
        + "EMC\n/OC /MC1 BDC\n"
        + text_at(60, 600, "old draft")
        + "EMC\n"
    )
    content = drawn(
        [page],
        catalog="/OCProperties<</OCGs[6 0 R 7 0 R]/D<</OFF[7 0 R]>>>>",
        resources="/Properties<</MC0 6 0 R/MC1 7 0 R>>",
        more=("<</Type/OCG/Name(Notes)>>", "<</Type/OCG/Name(Dr\\141ft)>>"),
    )
    assert read(tmp_path, content).markdown == "shown layer"


# --- nothing to read


@cases
def test_a_page_without_picture_is_not_called_a_scan():
    with pytest.raises(IngestError, match="nothing on it to read"):
        convert_file(CASES / "f_vector.pdf", "f_vector.pdf")


def test_a_page_with_a_picture_alone_is_called_a_scan(tmp_path):
    content = drawn(["q 600 0 0 800 0 0 cm /Im0 Do Q"], resources="/XObject<</Im0 6 0 R>>", more=(PICTURE,))
    with pytest.raises(IngestError, match="seems to be a scan"):
        read(tmp_path, content)


def test_a_blank_page_among_others_is_called_blank(tmp_path):
    (warning,) = read(tmp_path, make_pdf(["words", ""])).warnings
    assert warning.message == "no text on page 2 of 2: blank"


def test_the_page_that_asks_for_another_program_is_called_an_xfa_form(tmp_path):
    page = text_at(60, 700, "Please wait...") + text_at(
        60, 680, "If this message is not eventually replaced, you may need Adobe Reader."
    )
    with pytest.raises(IngestError, match="XFA form"):
        read(tmp_path, drawn([page]))


# --- glyph codes

ENGLISH = "The lock keeper writes the level of the water into the book every morning before the first barge. " * 3


RUSSIAN = "Смотритель шлюза записывает уровень воды в книгу каждое утро до первой баржи. " * 3


@pytest.mark.parametrize(
    "text",
    [
        "".join(chr(0xE000 + ord(char)) if char != " " else " " for char in ENGLISH),
        "".join(chr(ord(char) - 29) if char != " " else " " for char in ENGLISH.replace(".", "")),
        "".join(char + "ЖΩשक"[at % 4] if char != " " else " " for at, char in enumerate(ENGLISH)),
        "".join(chr(0xA1 + ord(char) % 31) if char != " " else " " for char in ENGLISH),
        "".join("!\"#$%&'()*+,-/:;<=>?@[]^_{|}~"[ord(char) % 29] if char != " " else " " for char in ENGLISH),
        re.sub(r"\w", "A", ENGLISH),
        "".join(chr(0x430 + (ord(char.lower()) - 0x430 + 10) % 32) if char.isalpha() else char for char in RUSSIAN),
        RUSSIAN.encode("cp1251").decode("cp1252"),
    ],
    ids=[
        "private use",
        "moved along the alphabet",
        "scripts mixed",
        "signs",
        "signs of ASCII",
        "one letter",
        "Cyrillic moved",
        "Cyrillic as Latin",
    ],
)
def test_codes_of_glyphs_are_told_from_text(text):
    assert is_glyph_codes(text)


@pytest.mark.parametrize(
    "text",
    [
        ENGLISH,
        "Przyszło nam żyć w czasach, gdy śluzy otwiera się o świcie, a barki czekają na wodę. " * 4,
        "KX-4471 QF-2213 BRT-90 ZK-1180 PLM-33 " * 20,
        "名前と住所を書いてください。水門の鍵は青い棚にあります。" * 8,
        "Привет мир, это журнал уровня воды за март. " * 8,
        "μm und Ωm, Größe in cm² je Schleuse " * 8,
        "ACGTTGCAACGGTTAACC " * 30,
        "Người gác cửa mở cổng trên khi nước trong buồng đã đạt đến mức của kênh, tàu thuyền chờ dưới cầu. " * 4,
        "USBメモリをPCのUSBポートに差し込み、Wi-Fiの設定をします。IDとPINはA4の紙に。" * 6,
        "Python의 모듈은 import문으로 불러오며 CSV파일과 JSON파일을 읽는다. " * 8,
        "6.1 dpkg-repack " + ". " * 60 + "103\n6.2 devscripts " + ". " * 60 + "104\n",
        "+------+------+\n| A=1  | B<2  |\n+------+------+\n" * 20,
        "1,204.50 (3.2%) $ 77.10 / -4.0 & 12:30 [1] * 3 = 9; #4 + 5 " * 12,
    ],
)
def test_text_of_any_language_is_no_glyph_codes(text):
    assert not is_glyph_codes(text)


def test_letters_that_a_font_does_not_name_are_told(tmp_path):
    lines = ["The lock keeper of\\004ce writes the level.", "Of\\004cers and waf\\006es."]
    pages = [
        "".join(text_at(60, 700 - 20 * at, line) for at, line in enumerate(lines)),
        text_at(60, 700, "Fine \\004 here."),
    ]
    document = read(tmp_path, drawn(pages))
    assert "ofce writes" in document.markdown
    assert [warning.message.partition(":")[0] for warning in document.warnings] == ["3 letters on page 1 left out"]


def test_private_characters_are_left_out_where_they_are_more_than_signs_of_a_list():
    signs = "\uf0b7 One item.\n\uf0a7 Two items \uf0fc.\n"
    assert without_private(signs) == ("• One item.\n• Two items \uf0fc.\n", 0)
    assert without_private(f"{ENGLISH}\n" + "\ue001\ue002 \ue003\n" * 20 + "Fine.") == (f"{ENGLISH}\n \nFine.", 60)


def test_a_page_of_control_characters_is_reported(tmp_path):
    coded = "".join(f"\\{1 + ord(char) % 8:03o}" if char.isalpha() else char for char in ENGLISH[:90])
    document = read(tmp_path, drawn([text_at(60, 700, "A page that can be read."), text_at(40, 700, coded)]))
    assert document.markdown.strip() == "A page that can be read."
    assert codes(document) == {"glyph_codes"}


def test_a_page_of_glyph_codes_is_reported_and_not_indexed(tmp_path):
    moved = "".join(chr(ord(char) - 29) if char not in " ." else " " for char in ENGLISH)
    escaped = re.sub(r"([()\\])", r"\\\1", moved)
    lines = [escaped[at : at + 80] for at in range(0, len(escaped), 80)]
    page = "".join(text_at(40, 700 - 14 * at, line.rstrip("\\")) for at, line in enumerate(lines))
    document = read(tmp_path, drawn([text_at(60, 700, "A page that can be read."), page]))
    assert document.markdown.strip() == "A page that can be read."
    assert codes(document) == {"glyph_codes"}


# --- forms, comments, outline, running heads


@pytest.mark.skipif(not FORMATS.is_dir(), reason="../shared/data is not there")
def test_values_of_form_fields_and_comments_are_read(tmp_path):
    field = "<</Type/Annot/Subtype/Widget/FT/Tx/T(Ship)/V(Falcon of Kiel)/Rect[10 10 90 30]/P 4 0 R>>"
    note = "<</Type/Annot/Subtype/Text/T(Ulla)/Contents(Ask the keeper first.)/Rect[10 40 30 60]>>"
    hidden = "<</Type/Annot/Subtype/Text/F 2/Contents(never shown)/Rect[10 40 30 60]>>"
    content = drawn(
        [text_at(60, 700, "Ship via:")],
        catalog="/AcroForm<</Fields[6 0 R]>>",
        page="/Annots[6 0 R 7 0 R 8 0 R]",
        more=(field, note, hidden),
    )
    assert (
        read(tmp_path, content).markdown == "Ship via:\n\nShip: Falcon of Kiel\nComment (Ulla): Ask the keeper first."
    )


@pytest.mark.skipif(not FORMATS.is_dir(), reason="../shared/data is not there")
def test_the_outline_gives_the_headings():
    document = convert_file(FORMATS / "006-pdflatex-outline/pdflatex-outline.pdf", "a.pdf")
    assert document.outline
    headings = {span.heading for span in Chunker(TOKENIZER, 64).split(document)}
    assert {("Foo",), ("Bar",), ("Baz",)} <= headings
    for start, end, _, title in document.outline:
        assert title.lower() in document.markdown[start:end].lower()


def test_running_heads_and_feet_are_masked_after_their_first_page(tmp_path):
    body = [
        f"Line {line} of page {{n}} tells of {word}."
        for line, word in enumerate(["otters", "weirs", "dikes", "cranes"])
    ]
    pages = []
    for n in range(1, 7):
        lines = ["The Harbour Book", *(line.format(n=n) for line in body), f"Page {n} of 6"]
        pages.append("".join(text_at(60, 700 - 14 * at, line) for at, line in enumerate(lines)))
    document = read(tmp_path, drawn(pages))
    assert document.markdown.count("The Harbour Book") == 6
    spans = Chunker(TOKENIZER, 256).split(document)
    assert [span.indexed.count("The Harbour Book") for span in spans] == [1, 0, 0, 0, 0, 0]
    assert [span.text.count("The Harbour Book") for span in spans] == [1] * 6
    assert all("otters" in span.indexed for span in spans)
    assert "of 6" not in spans[3].indexed


# --- hyphens


def test_a_hyphen_of_a_compound_stays_and_one_of_a_line_goes():
    texts = [
        "The well\ufffeknown keeper keeps the trans\ufffeport going.",
        "Each transport has a lock\ufffekeeper; a lock, a keeper.",
    ]
    assert without_breaks(texts) == [
        "The well-known keeper keeps the transport going.",
        "Each transport has a lock-keeper; a lock, a keeper.",
    ]


def test_a_broken_word_that_stands_nowhere_else_is_joined():
    assert without_breaks(["naviga\ufffetion of Rhine\ufffeMain"]) == ["navigation of Rhine-Main"]


def stretched(text: str, x: float, y: float, wide: float) -> str:
    """Return a line whose words have wide gaps between their letters, the last letter of each drawn by itself."""
    parts = []
    for n, word in enumerate(text.split(" ")):
        blank = " " if n else ""
        parts.append(f"{wide} Tc ({blank}{word[:-1]}) Tj 0 Tc ({word[-1]}) Tj")
    return f"BT /F1 9 Tf 1 0 0 1 {x} {y} Tm {' '.join(parts)} ET\n"


def test_blanks_that_pdfium_makes_up_between_wide_letters_are_none(tmp_path):
    lines = [
        "The Metropolis Tower stands near Buona Vista Drive",
        "China Ocean Shipping Company of Beijing",
        "No. 14 at the quay",
    ]
    page = "".join(stretched(line, 60, 700 - 20 * n, 2.4 + 0.3 * n) for n, line in enumerate(lines * 3))
    assert read(tmp_path, drawn([page])).markdown.split("\n") == lines * 3


def test_blanks_of_letters_that_stand_alone_stay(tmp_path):
    lines = ["Plan A or plan B or plan C", "Gate D is by gate E and gate F", "Take a boat to pier G or pier H"]
    page = "".join(text_at(60, 700 - 20 * n, line) for n, line in enumerate(lines * 3))
    apart = "".join(
        text_at(60 + 70 * n, 400 - 20 * row, word)
        for row in range(4)
        for n, word in enumerate(["Depot", "A", "Kiel", "B"])
    )
    found = read(tmp_path, drawn([page + apart])).markdown
    assert found.split("\n")[:9] == lines * 3
    assert "DepotA" not in found
    assert "KielB" not in found


# --- damage


@cases
def test_a_file_whose_end_is_missing_gives_the_pages_that_are_there():
    document = convert_file(CASES / "f_cut.pdf", "f_cut.pdf")
    assert "Text behind a damaged cross reference table." in document.markdown
    assert codes(document) == {"damaged_end"}


@pytest.mark.parametrize("share", [0.55, 0.7, 0.85])
def test_a_download_that_broke_off_gives_its_first_pages(tmp_path, share):
    whole = make_pdf(
        [
            f"page number {n} about {word}"
            for n, word in enumerate(["otters", "weirs", "sluices", "dikes", "barges"] * 4, 1)
        ]
    )
    document = read(tmp_path, whole[: int(len(whole) * share)])
    assert "page number 1 about otters" in document.markdown
    assert [page.number for page in document.pages] == list(range(1, len(document.pages) + 1))
    assert 5 < len(document.pages) <= 20
    assert codes(document) & {"damaged_end"}


def test_pages_that_broke_off_are_not_called_blank_and_a_stump_is_not_called_empty(tmp_path):
    whole = make_pdf([f"page number {n} about otters" for n in range(1, 13)])
    streams = [found.start() for found in re.finditer(rb"(?<!end)stream", whole)]
    document = read(tmp_path, whole[: streams[3]])
    assert "page number 3 about otters" in document.markdown
    told = {warning.code: warning.message for warning in document.warnings}
    assert "damaged or its end is missing" in told["damaged_end"]
    assert told["no_text_on_page"] == "no text on page 4 of 4: blank or lost"
    with pytest.raises(IngestError, match="damaged or its end is missing") as caught:
        read(tmp_path, whole[: streams[0]])
    assert caught.value.reason == "corrupt"


def test_damage_has_no_name_of_an_exception_in_its_sentence(tmp_path):
    with pytest.raises(IngestError, match="damaged") as caught:
        read(tmp_path, b"%PDF-1.4\nnothing more")
    assert "Error" not in caught.value.message


def test_a_password_is_not_asked_for_because_of_the_document_before(tmp_path):
    locked = FORMATS / "005-libreoffice-writer-password/libreoffice-writer-password.pdf"
    if locked.exists():
        with pytest.raises(IngestError, match="needs a password"):
            convert_file(locked, "locked.pdf")
    with pytest.raises(IngestError) as caught:
        read(tmp_path, b"%PDF-1.4\nnothing more")
    assert caught.value.reason == "corrupt"
