"""What cannot be seen of a page of a PDF is not in its text, and the warning of the file counts it."""

from pathlib import Path

import pytest

from openrag_cli.documents.convert import convert_file
from openrag_cli.documents.readers.unseen import pdf_drawn

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


def image(levels: str) -> str:
    """Return a picture of one row, its levels of gray in hexadecimal digits."""
    head = f"<</Type/XObject/Subtype/Image/Width {len(levels) // 2}/Height 1/ColorSpace/DeviceGray/BitsPerComponent 8"
    return f"{head}/Filter/ASCIIHexDecode/Length {len(levels) + 1}>>stream\n{levels}>\nendstream"


def on_layer(body: str, number: int) -> str:
    """Return a form that names the object of that number as its layer."""
    return body.replace("<</Type", f"<</OC {number} 0 R/Type", 1)


def member(rule: str, state: str) -> bytes:
    """Return a page whose text is a member of two layers by a rule."""
    catalog = f"/OCProperties<</OCGs[6 0 R 7 0 R]/D<<{state}>>>>"
    others = (NAMED, "<</Type/OCG/Name(Other)>>", f"<</Type/OCMD{rule}>>")
    return pdf(f"/OC /L BDC {SECRET} EMC", "/Properties<</L 8 0 R>>", others, catalog)


BOX = "60 590 300 30 re f"
IM = "/XObject<</I 6 0 R>>"
SHADING = (
    "/Shading<</S<</ShadingType 2/ColorSpace/DeviceGray/Coords[0 0 600 0]/Function<</FunctionType 2/N 1/Domain[0 1]"
    "/C0[.2]/C1[.8]>>/Extend[true true]>>>>"
)
LINES = " ".join(f"BT /F1 6 Tf {72 + 60 * (at % 8)} {580 - 8 * (at // 8)} Td (line {at}) Tj ET" for at in range(480))
UNSEEN |= {
    "covered on a page of very many objects": pdf(f"{SECRET} 1 g {BOX} 0 g {LINES}"),
    "white among very many objects": pdf(f"{LINES} 1 g {SECRET}"),
    "clipped among very many objects": pdf(f"q 0 0 10 10 re W n {SECRET} Q {LINES}"),
}
UNSEEN |= {
    "covered by white": pdf(f"{SECRET} 1 g {BOX}"),
    "covered by black": pdf(f"{SECRET} 0 g {BOX}"),
    "covered in pieces": pdf(f"{SECRET} 0.5 g 60 590 60 30 re f 110 590 100 30 re f"),
    "covered by image": pdf(f"{SECRET} q 300 0 0 30 60 590 cm /I Do Q", IM, (image("ff"),)),
    "covered by form": pdf(f"{SECRET} /X Do", FORM, (form(f"1 g {BOX}"),)),
    "covered by a rounded box": pdf(
        f"{SECRET} 1 g 60 590 m 360 590 l 370 590 370 620 360 620 c 60 620 l 50 620 50 590 60 590 c f"
    ),
    "covered by a thick line": pdf(f"{SECRET} 30 w 1 G 60 604 m 300 604 l S"),
    "covered in form": pdf("/X Do", FORM, (form(f"{SECRET} 1 g {BOX}"),)),
    "covered by shading": pdf(f"{SECRET} q {BOX.replace(' f', '')} W n /S sh Q", SHADING),
    "clipped": pdf(f"q 0 0 10 10 re W n {SECRET} Q"),
    "clipped by one of two": pdf(f"q 0 0 612 792 re W n 0 0 300 300 re W n {SECRET} Q"),
    "clipped by form bbox": pdf("/X Do", FORM, (form(SECRET).replace("0 0 612 792", "0 0 50 50"),)),
    "clipped to nothing": pdf(f"q 72 600 0 0 re W n {SECRET} Q"),
    "black on black": pdf(f"0 g {BOX} 0 g {SECRET}"),
    "white on a white box over blue": pdf(f"0 0 .4 rg 0 500 612 200 re f 1 g {BOX} {SECRET}"),
    "green on green": pdf(f"0 .5 0 rg {BOX} {SECRET}"),
    "nearly green": pdf(f"0 .5 0 rg {BOX} 0 .51 .01 rg {SECRET}"),
    "green outside form": pdf(f"0 .5 0 rg {BOX} /X Do", FORM, (form(f"0 .5 0 rg {SECRET}"),)),
    "cmyk on box": pdf(f"0 1 1 0 k {BOX} {SECRET}"),
    "white on white image over blue": pdf(
        f"0 0 .4 rg 0 500 612 200 re f q 300 0 0 30 60 590 cm /I Do Q 1 g {SECRET}", IM, (image("ff"),)
    ),
    "tiny": pdf(SECRET.replace("12 Tf", "0.5 Tf")),
    "tiny by matrix": pdf(f"q .05 0 0 .05 0 500 cm {SECRET} Q"),
    "tiny by form": pdf("q .05 0 0 .05 0 500 cm /X Do Q", FORM, (form(SECRET),)),
    "narrow": pdf(SECRET.replace("72 600", "1 Tz 72 600")),
    "cropped": pdf(SECRET.replace("72 600", "72 50")).replace(
        b"/MediaBox[0 0 612 792]", b"/MediaBox[0 0 612 792]/CropBox[0 400 612 792]"
    ),
    "a form that names a layer that is off": pdf(
        "/X Do", "/XObject<</X 7 0 R>>", (NAMED, on_layer(form(SECRET), 6)), OFF
    ),
    "a form on a layer that is off in a form": pdf(
        "/X Do",
        "/XObject<</X 7 0 R>>",
        (NAMED, form("/Y Do", "/XObject<</Y 8 0 R>>"), on_layer(form(SECRET), 6)),
        OFF,
    ),
    "all layers are off": pdf(
        f"/OC /L BDC {SECRET} EMC", LAYER, (NAMED,), "/OCProperties<</OCGs[6 0 R]/D<</BaseState/OFF>>>>"
    ),
    "a tag within a mark": pdf(f"/OC /L BDC /P <</MCID 0>> BDC {SECRET} EMC EMC", LAYER, (NAMED,), OFF),
    "a mark within a tag": pdf(f"/P <</MCID 0>> BDC /OC /L BDC {SECRET} EMC EMC", LAYER, (NAMED,), OFF),
    "a member of layers that must all be on": member("/OCGs[6 0 R 7 0 R]/P/AllOn", "/OFF[6 0 R]"),
    "a member of layers of which one is on": member("/OCGs[6 0 R 7 0 R]/P/AllOff", "/OFF[6 0 R]"),
    "a member of layers that must all be off": member("/OCGs[6 0 R 7 0 R]/P/AllOff", "/ON[6 0 R]"),
    "a member of layers one of which must be off": member("/OCGs[6 0 R 7 0 R]/P/AnyOff", "/ON[6 0 R]"),
    "a member of layers one of which must be on": member("/OCGs[6 0 R 7 0 R]/P/AnyOn", "/OFF[6 0 R 7 0 R]"),
    "an expression with not": member("/VE[/Not 6 0 R]", "/ON[6 0 R]"),
    "an expression with and": member("/VE[/And 6 0 R 7 0 R]", "/OFF[6 0 R]"),
    "a form of a membership that is off": pdf(
        "/X Do", "/XObject<</X 8 0 R>>", (NAMED, "<</Type/OCMD/OCGs 6 0 R>>", on_layer(form(SECRET), 7)), OFF
    ),
}
SEEN |= {
    "black among very many objects": pdf(f"{LINES} {SECRET}"),
    "white on a bar among very many objects": pdf(f"{LINES} 0 0 .4 rg {BOX} 1 g {SECRET}"),
    "box before": pdf(f".8 g {BOX} 0 g {SECRET}"),
    "white on bar": pdf(f"0 0 .4 rg {BOX} 1 g {SECRET}"),
    "frame after": pdf(f"{SECRET} 0 G 60 590 300 30 re S"),
    "multiply highlight": pdf(f"{SECRET} /M gs 1 1 0 rg {BOX}", "/ExtGState<</M<</BM/Multiply>>>>"),
    "clear highlight": pdf(f"{SECRET} /H gs 1 1 0 rg {BOX}", GS),
    "highlight before": pdf(f"1 1 0 rg {BOX} 0 g {SECRET}"),
    "ring around": pdf(f"{SECRET} 0 g 50 580 320 60 re 60 590 300 30 re f*"),
    "watermark": pdf(f".9 g {SECRET}"),
    "footnote": pdf(SECRET.replace("12 Tf", "5 Tf")),
    "small 2pt": pdf(SECRET.replace("12 Tf", "2 Tf")),
    "over image": pdf(f"q 300 0 0 30 60 590 cm /I Do Q 1 g {SECRET}", IM, (image("4060"),)),
    "black over white image": pdf(f"q 300 0 0 30 60 590 cm /I Do Q 0 g {SECRET}", IM, (image("ff"),)),
    "clip that holds": pdf(f"q 60 590 300 30 re W n {SECRET} Q"),
    "clipped in its half": pdf(f"q 60 590 60 30 re W n {SECRET} Q"),
    "form bbox holds": pdf("/X Do", FORM, (form(SECRET).replace("0 0 612 792", "60 590 300 700"),)),
    "white on a bar, set twice": pdf(f"0 0 .4 rg {BOX} 1 g {SECRET} {SECRET}"),
    "shadow": pdf(f"0 0 .4 rg {BOX} .3 g {SECRET.replace('72 600', '73 599')} 1 g {SECRET}"),
    "without ink over a scan": pdf(
        f"q 612 0 0 792 0 0 cm /I Do Q {SECRET.replace('72', '3 Tr 72')}", IM, (image("ff"),)
    ),
    "under a scan": pdf(f"{SECRET} q 612 0 0 792 0 0 cm /I Do Q", IM, (image("4060"),)),
    "a form that names a layer that is on": pdf(
        "/X Do", "/XObject<</X 7 0 R>>", (NAMED, on_layer(form(SECRET), 6)), ON
    ),
    "the one layer that is on where all are off": pdf(
        f"/OC /L BDC {SECRET} EMC", LAYER, (NAMED,), "/OCProperties<</OCGs[6 0 R]/D<</BaseState/OFF/ON[6 0 R]>>>>"
    ),
    "a member of layers one of which is on": member("/OCGs[6 0 R 7 0 R]/P/AnyOn", "/OFF[6 0 R]"),
    "a member of layers one of which is off": member("/OCGs[6 0 R 7 0 R]/P/AnyOff", "/OFF[6 0 R]"),
    "of layers that are all off": member("/OCGs[6 0 R 7 0 R]/P/AllOff", "/OFF[6 0 R 7 0 R]"),
    "an expression with not": member("/VE[/Not 6 0 R]", "/OFF[6 0 R]"),
    "an expression with or": member("/VE[/Or 6 0 R 7 0 R]", "/OFF[6 0 R]"),
    "cover on a layer off": pdf(f"{SECRET} /OC /L BDC 1 g {BOX} EMC", LAYER, (NAMED,), OFF),
    "rotated": pdf(f"0 g {BOX} 1 g {SECRET}").replace(b"/MediaBox", b"/Rotate 90/MediaBox"),
    "cropped in": pdf(f"0 g {BOX} 1 g {SECRET}").replace(
        b"/MediaBox[0 0 612 792]", b"/MediaBox[0 0 612 792]/CropBox[10 400 512 742]"
    ),
    "font not there": pdf(f"q 0 0 612 792 re W n {SECRET} Q").replace(
        b"/BaseFont/Helvetica", b"/BaseFont/NoSuchFont"
    ),
    "table head": pdf(
        f"0 .3 .6 rg 60 590 150 30 re f 210 590 150 30 re f 1 g {SECRET} 0 g BT /F1 12 Tf 72 560 Td (cell) Tj ET"
    ),
    "condensed": pdf(SECRET.replace("72 600", "60 Tz 72 600")),
    "filled with a shading": pdf(f"q {SECRET.replace('72 600', '7 Tr 72 600')} /S sh Q", SHADING),
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


def test_pages_that_take_too_long_to_draw_are_read_and_said_to_be_unchecked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf_drawn, "process_time", iter(range(0, 1_000, 100)).__next__)
    path = tmp_path / "a.pdf"
    hidden = pdf(f"1 g {SECRET}")
    path.write_bytes(hidden.replace(b"[3 0 R]/Count 1", b"[3 0 R 3 0 R 3 0 R]/Count 3"))
    document = convert_file(path, path.name)
    assert document.markdown.count("SECRET") == 2
    assert [warning.code for warning in document.warnings] == ["hidden_text_unchecked", "hidden_text_left_out"]
