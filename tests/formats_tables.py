"""Files for the rows of `docs/formats.md` about workbooks, presentations and PDF, each with all that its claims name."""

import io

import openpyxl
import pptx
from documents import make_ods
from pptx.util import Inches
from test_pdf_lines import grid
from test_pdf_pages import drawn, text_at
from test_workbooks import ods_row


def workbook() -> bytes:
    """Return an XLSX with values of several forms, merged cells, a formula, and hidden parts."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Stock"
    rows = [["Stock of the depots"], ["in tonnes"], [], ["Region", "Depot", "Share", "Zip", "Time", "Sum"]]
    rows += [
        ["North", "Kiel", 0.075, 1067, 27 / 24, "=C5*2"],
        [None, "Husum", 0.5, 24103, 1.5, 3],
        ["secret", "x", 1, 1, 1, 1],
    ]
    for row in rows:
        sheet.append(row)
    for number in (5, 6):
        for column, code in (("C", "0.0%"), ("D", "00000"), ("E", "[h]:mm")):
            sheet[f"{column}{number}"].number_format = code
    sheet.merge_cells("A5:A6")
    sheet.row_dimensions[7].hidden = True
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def spreadsheet() -> bytes:
    """Return an ODS with a shown value and a hidden row."""
    rows = ods_row("Depot", "Share") + ods_row("Kiel", "7.5 %")
    rows += ods_row("secret", "9 %", attributes='table:visibility="collapse"')
    return make_ods(f'<table:table table:name="Stock">{rows}</table:table>')


def slides() -> bytes:
    """Return a PPTX with a table, raised text, notes, and a hidden slide."""
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[5])
    slide.shapes.title.text = "Locks"
    paragraph = slide.shapes.add_textbox(0, Inches(2), Inches(3), Inches(1)).text_frame.paragraphs[0]
    paragraph.add_run().text = "10"
    raised = paragraph.add_run()
    raised.text = "6"
    raised.font._element.set("baseline", "30000")
    table = slide.shapes.add_table(2, 2, 0, Inches(4), Inches(4), Inches(1)).table
    for at, text in enumerate(("Depot", "Stock", "Kiel", "11")):
        table.cell(at // 2, at % 2).text = text
    slide.notes_slide.notes_text_frame.text = "Say it slowly."
    hidden = show.slides.add_slide(show.slide_layouts[5])
    hidden.shapes.title.text = "secret"
    hidden._element.set("show", "0")
    stream = io.BytesIO()
    show.save(stream)
    return stream.getvalue()


def pdf() -> bytes:
    """Return a PDF with a form value, a comment, and white text."""
    field = "<</Type/Annot/Subtype/Widget/FT/Tx/T(Ship)/V(Falcon)/Rect[10 10 90 30]/P 4 0 R>>"
    note = "<</Type/Annot/Subtype/Text/T(Ada)/Contents(Ask legal)/Rect[10 40 30 60]>>"
    page = text_at(60, 700, "The lock is open.") + text_at(60, 600, "secret", "1 g")
    page += "BT 60 680 Td /F1 11 Tf (Of 10) Tj /F1 7 Tf 5 Ts (6) Tj ET " + grid(
        [["Depot", "Stock"], ["Kiel", "11"]], 660
    )
    return drawn([page], catalog="/AcroForm<</Fields[6 0 R]>>", page="/Annots[6 0 R 7 0 R]", more=(field, note))
