"""What cannot be seen of a page of a PDF is not in its text, and the warning of the file counts it."""

from pathlib import Path

import pytest

from openrag_cli.documents.convert import convert_file

SECRET = "BT /F1 12 Tf 72 600 Td (SECRET words) Tj ET"
LAYER = "/Properties<</L 6 0 R>>"
OFF = "/OCProperties<</OCGs[6 0 R]/D<</OFF[6 0 R]>>>>"
ON = "/OCProperties<</OCGs[6 0 R]/D<</ON[6 0 R]>>>>"
NAMED = "<</Type/OCG/Name(Notes)>>"


def form(content: str, resources: str = "/Font<</F1 5 0 R>>") -> str:
    """Return a form, which is drawn by `Do`."""
    head = f"<</Type/XObject/Subtype/Form/BBox[0 0 612 792]/Resources<<{resources}>>/Length {len(content)}>>"
    return f"{head}stream\n{content}\nendstream"


def pdf(content: str, resources: str = "", others: tuple[str, ...] = (), catalog: str = "") -> bytes:
    """Return a PDF of one page: a line of plain words, and `content`; `others` are its objects from 6 on."""
    drawn = f"BT /F1 12 Tf 72 700 Td (plain words stand on the page) Tj ET\n{content}"
    objects = [
        f"<</Type/Catalog/Pages 2 0 R{catalog}>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>{resources}>>>>",
        f"<</Length {len(drawn)}>>stream\n{drawn}\nendstream",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        *others,
    ]
    out, offsets = "%PDF-1.7\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    end = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer<</Size {len(objects) + 1}/Root 1 0 R>>"
    return f"{out}{end}\nstartxref\n{len(out)}\n%%EOF".encode()


GS = "/ExtGState<</G<</ca 0>>/H<</ca 0.5>>>>"
FORM = "/XObject<</X 6 0 R>>"
UNSEEN = {
    "white": pdf(f"1 1 1 rg {SECRET}"),
    "white in gray": pdf(f"1 g {SECRET}"),
    "white in inks": pdf(f"0 0 0 0 k {SECRET}"),
    "an outline of white": pdf(f"1 1 1 RG {SECRET.replace('72', '1 Tr 72')}"),
    "white with a white outline": pdf(f"1 1 1 RG 1 1 1 rg {SECRET.replace('72', '2 Tr 72')}"),
    "no ink at all": pdf(SECRET.replace("72", "3 Tr 72")),
    "clear": pdf(f"/G gs {SECRET}", GS),
    "right of the page": pdf(SECRET.replace("72", "900")),
    "below the page": pdf(SECRET.replace("600", "-100")),
    "a layer that is off": pdf(f"/OC /L BDC {SECRET} EMC", LAYER, (NAMED,), OFF),
    "a form on a layer that is off": pdf(
        "/OC /L BDC /X Do EMC", f"{LAYER}/XObject<</X 7 0 R>>", (NAMED, form(SECRET)), OFF
    ),
    "a membership of layers that are off": pdf(
        f"/OC /L BDC {SECRET} EMC", "/Properties<</L 7 0 R>>", (NAMED, "<</Type/OCMD/OCGs 6 0 R>>"), OFF
    ),
    "white in a form": pdf("/X Do", FORM, (form(f"1 1 1 rg {SECRET}"),)),
    "white that a form inherits": pdf("1 1 1 rg /X Do", FORM, (form(SECRET),)),
    "white in a form in a form": pdf("/X Do", FORM, (form("/Y Do", "/XObject<</Y 7 0 R>>"), form(f"1 g {SECRET}"))),
    "a form beside the page": pdf("q 1 0 0 1 2000 0 cm /X Do Q", FORM, (form(SECRET),)),
}
SEEN = {
    "black": pdf(SECRET),
    "white on blue": pdf(f"0 0 .4 rg 0 500 612 200 re f 1 1 1 rg {SECRET}"),
    "white in a form on blue": pdf("0 0 .4 rg 0 500 612 200 re f /X Do", FORM, (form(f"1 1 1 rg {SECRET}"),)),
    "half clear": pdf(f"/H gs {SECRET}", GS),
    "white with a black outline": pdf(f"1 1 1 rg 0 0 0 RG {SECRET.replace('72', '2 Tr 72')}"),
    "a black outline": pdf(f"1 1 1 rg 0 0 0 RG {SECRET.replace('72', '1 Tr 72')}"),
    "a layer that is on": pdf(f"/OC /L BDC {SECRET} EMC", LAYER, (NAMED,), ON),
    "a membership of layers that are on": pdf(
        f"/OC /L BDC {SECRET} EMC", "/Properties<</L 7 0 R>>", (NAMED, "<</Type/OCMD/OCGs 6 0 R>>"), ON
    ),
    "a form that is scaled": pdf("q 0.5 0 0 0.5 0 0 cm /X Do Q", FORM, (form(SECRET),)),
}


@pytest.mark.parametrize("name", UNSEEN)
def test_what_cannot_be_seen_of_a_page_is_left_out(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(UNSEEN[name])
    document = convert_file(path, path.name)
    assert "plain words" in document.markdown
    assert "SECRET" not in document.markdown
    assert [warning.code for warning in document.warnings] == ["hidden_text_left_out"]
    assert "SECRET" in convert_file(path, path.name, keeps_hidden=True).markdown


@pytest.mark.parametrize("name", SEEN)
def test_what_can_be_seen_of_a_page_is_kept(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(SEEN[name])
    document = convert_file(path, path.name)
    assert "SECRET" in document.markdown
    assert not document.warnings
