"""Invented yearly reports in three languages, with questions that stand among instructions.

Every report has a page of policy that is full of the words that such instructions are made of; a question's words stand
on the page of a statement, which names neither the company nor what an answer is.
"""

import random
import zlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Report:
    """A report: its file's name, whose it is, its year, and what its pages say."""

    name: str
    company: str
    year: int
    pages: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Framed:
    """A question with its frame, and the place of its answer: a file and a page, and which hit at most it must be.

    Where that is not the first, the cover is before it, or the page of policy, which has next to all words of the frame.
    """

    text: str
    file: str
    page: int
    within: int = 1


Statement = tuple[str, str, tuple[str, ...]]
"""The head of a statement, the line below it, and the names of its rows."""

_ENGLISH: tuple[Statement, ...] = (
    ("Consolidated Balance Sheets", "(in thousands, except share data)", (
        "Cash and cash equivalents", "Trade receivables", "Inventories", "Prepaid expenses", "Total current assets",
        "Land and buildings", "Machinery", "Intangible assets", "Goodwill", "Total assets", "Trade payables",
        "Accrued payroll", "Customer deposits", "Income taxes payable", "Total current liabilities", "Bank loans",
        "Lease obligations", "Pension obligations", "Share capital", "Retained earnings", "Total shareholders' equity",
    )),
    ("Consolidated Statements of Income", "(in thousands)", (
        "Net sales", "Cost of sales", "Gross profit", "Research and development", "Selling and distribution",
        "Administrative expenses", "Restructuring charges", "Operating income", "Interest income", "Interest expense",
        "Income before taxes", "Provision for income taxes", "Net income",
    )),
    ("Consolidated Statements of Cash Flows", "(in thousands)", (
        "Net income", "Depreciation and amortization", "Share-based payments", "Change in receivables",
        "Change in inventories", "Cash from operating activities", "Purchases of property and equipment",
        "Acquisitions, net of cash", "Cash used in investing activities", "Proceeds from borrowings",
        "Dividends paid", "Repurchases of shares", "Cash used in financing activities",
    )),
)  # fmt: skip
_FRENCH: tuple[Statement, ...] = (
    ("Bilan consolidé", "(en milliers d'euros)", (
        "Trésorerie", "Créances clients", "Stocks", "Charges constatées d'avance", "Total de l'actif courant",
        "Terrains et constructions", "Outillage", "Écarts d'acquisition", "Total de l'actif", "Dettes fournisseurs",
        "Dettes fiscales", "Acomptes reçus", "Total des dettes à court terme", "Emprunts bancaires",
        "Provisions pour retraites", "Capital social", "Réserves", "Total des capitaux propres",
    )),
    ("Compte de résultat consolidé", "(en milliers d'euros)", (
        "Chiffre d'affaires", "Achats consommés", "Charges de personnel", "Impôts et taxes", "Amortissements",
        "Résultat d'exploitation", "Produits financiers", "Charges financières", "Impôt sur les bénéfices",
        "Résultat net",
    )),
)  # fmt: skip
_GERMAN: tuple[Statement, ...] = (
    ("Konzernbilanz", "(in Tausend Euro)", (
        "Zahlungsmittel", "Forderungen aus Lieferungen", "Vorräte", "Aktive Rechnungsabgrenzung", "Umlaufvermögen",
        "Grundstücke und Bauten", "Technische Anlagen", "Geschäfts- und Firmenwert", "Bilanzsumme",
        "Verbindlichkeiten aus Lieferungen", "Steuerschulden", "Erhaltene Anzahlungen", "Kurzfristige Schulden",
        "Bankdarlehen", "Pensionsrückstellungen", "Gezeichnetes Kapital", "Gewinnrücklagen", "Eigenkapital",
    )),
    ("Gewinn- und Verlustrechnung", "(in Tausend Euro)", (
        "Umsatzerlöse", "Materialaufwand", "Personalaufwand", "Abschreibungen", "Sonstige Aufwendungen",
        "Betriebsergebnis", "Zinserträge", "Zinsaufwendungen", "Ertragsteuern", "Jahresüberschuss",
    )),
)  # fmt: skip

_POLICIES = {
    "en": """Basis of preparation. Management must make judgments that are based primarily on the information provided
in these pages. Please read the notes carefully: an analyst or auditor who is asked a question should give a response by
relying on the details shown, and state clearly what is outlined, stated or not stated. Answers are given as one number,
using units of thousands, rounded to one decimal place, and only from what each statement shows. Where a question cannot
be answered we explain why. We act and report by the same rule, and do not explain amounts that are clearly shown. An
expert reviews each response step by step, and cites the page and the line items that it relies on.""",
    "fr": """Principes de présentation. La direction exerce son jugement en s'appuyant principalement sur les
informations présentées dans les documents fournis. Merci de lire attentivement les notes : un analyste financier à qui
l'on pose une question doit répondre en se fondant uniquement sur les éléments indiqués, et préciser ce qui n'est pas
mentionné. Les réponses sont données en un seul nombre, en milliers, arrondi à une décimale. Vous êtes prié d'indiquer
la page et la ligne sur lesquelles votre réponse est fondée, sans explication ni commentaire.""",
    "de": """Grundlagen der Aufstellung. Die Leitung stützt ihr Urteil ausschließlich auf die Angaben in den
vorliegenden Unterlagen. Bitte lesen Sie die Erläuterungen sorgfältig: Ein Analyst, dem eine Frage gestellt wird,
beantwortet sie anhand der gezeigten Angaben und nennt, was nicht angegeben ist. Antworten Sie mit einer Zahl, runden
Sie auf eine Nachkommastelle, und stützen Sie Ihre Antwort auf die genannte Zeile. Sie sind gebeten, die Seite zu nennen
und auf Erklärungen zu verzichten.""",
}
_COVERS = {
    "en": ("Annual report for the fiscal year ended December 31, {year}",
           "{company} sells what it makes in nine countries. Demand was steady in the fiscal year."),
    "fr": ("Rapport annuel pour l'exercice clos le 31 décembre {year}",
           "{company} vend ses produits dans neuf pays. La demande est restée stable pendant l'exercice."),
    "de": ("Geschäftsbericht für das Geschäftsjahr zum 31. Dezember {year}",
           "{company} verkauft in neun Ländern. Die Nachfrage blieb im Geschäftsjahr stabil."),
}  # fmt: skip
_STATEMENTS = {"en": _ENGLISH, "fr": _FRENCH, "de": _GERMAN}


def _report(name: str, company: str, year: int, language: str) -> Report:
    drawn = random.Random(name)
    heading, said = (text.format(company=company, year=year) for text in _COVERS[language])
    pages = [(company, heading, "", said), tuple(_POLICIES[language].splitlines() * 2)]
    for head, unit, rows in _STATEMENTS[language]:
        figures = (f"{row}   {drawn.randint(20, 9000):,}   {drawn.randint(20, 9000):,}" for row in rows)
        pages.append((head, unit, f"{year}   {year - 1}", *figures))
    return Report(name, company, year, tuple(pages))


def reports(language: str) -> list[Report]:
    """Return the reports of one language: two years of one company, and one year of another."""
    one, other, short, brief = {
        "en": ("Tarnfield Optics plc", "Merrow Dairy Group", "tarnfield-optics", "merrow-dairy"),
        "fr": ("Verrier Lumière SA", "Maison Corvane", "verrier-lumiere", "maison-corvane"),
        "de": ("Hallstein Werkzeuge AG", "Brennecke Papier GmbH", "hallstein-werkzeuge", "brennecke-papier"),
    }[language]
    return [
        _report(f"{short}-2030.pdf", one, 2030, language),
        _report(f"{short}-2029.pdf", one, 2029, language),
        _report(f"{brief}-2030.pdf", other, 2030, language),
    ]


QUESTIONS: dict[str, tuple[Framed, ...]] = {
    "en": (
        Framed(
            "What was Tarnfield Optics' inventories balance at the end of FY2030? Answer in USD thousands. Give a "
            "response to the question by relying on the details shown in the balance sheet.",
            "tarnfield-optics-2030.pdf", 3, 2,
        ),
        Framed(
            "You are a financial analyst. Please read the statements carefully and answer with one number only. What "
            "was the cost of sales of Merrow Dairy in 2030?",
            "merrow-dairy-2030.pdf", 4,
        ),
        Framed(
            "Using only the information that is clearly provided in the statement of cash flows, how much did Tarnfield "
            "Optics spend on property and equipment in FY2029? Round your answer to one decimal place.",
            "tarnfield-optics-2029.pdf", 5,
        ),
        Framed(
            "Please state the total shareholders' equity of Merrow Dairy Group at the year end 2030 in thousands. Rely "
            "primarily on the details shown within the balance sheet and do not explain.",
            "merrow-dairy-2030.pdf", 3, 2,
        ),
        Framed(
            "Act as an auditor. Report the operating income of Tarnfield Optics for fiscal 2030. Your answer should be "
            "based on what is outlined in the income statement. If the question cannot be answered, say that it is not "
            "stated.",
            "tarnfield-optics-2030.pdf", 4,
        ),
        Framed(
            "You are an expert in accounting. Think step by step, and cite the line items that you rely on. How much did "
            "Tarnfield Optics pay in dividends in FY2030? Please give the answer in thousands, based primarily on the "
            "information provided.",
            "tarnfield-optics-2030.pdf", 5,
        ),
    ),
    "fr": (
        Framed(
            "Quel était le total des dettes à court terme de Verrier Lumière à la fin de l'exercice 2030 ? Répondez en "
            "milliers d'euros. Appuyez votre réponse principalement sur les informations présentées dans le bilan.",
            "verrier-lumiere-2030.pdf", 3,
        ),
        Framed(
            "Vous êtes analyste financier. Merci de lire attentivement les documents fournis. Indiquez le chiffre "
            "d'affaires de Verrier Lumière en 2029 d'après le compte de résultat.",
            "verrier-lumiere-2029.pdf", 4,
        ),
        Framed(
            "En vous fondant uniquement sur les éléments indiqués, quelles étaient les charges de personnel de la Maison "
            "Corvane en 2030 ? Donnez un seul nombre, arrondi à une décimale, sans commentaire.",
            "maison-corvane-2030.pdf", 4, 3,
        ),
    ),
    "de": (
        Framed(
            "Sie sind Analyst. Bitte beantworten Sie die Frage ausschließlich anhand der Angaben in der Bilanz: Wie hoch "
            "waren die Vorräte der Hallstein Werkzeuge AG zum Ende des Geschäftsjahres 2030? Antworten Sie in Tausend "
            "Euro.",
            "hallstein-werkzeuge-2030.pdf", 3, 4,
        ),
        Framed(
            "Nennen Sie die Umsatzerlöse der Hallstein Werkzeuge AG für 2029. Stützen Sie Ihre Antwort auf die Gewinn- und "
            "Verlustrechnung und runden Sie auf eine Nachkommastelle.",
            "hallstein-werkzeuge-2029.pdf", 4,
        ),
        Framed(
            "Wie hoch war das Eigenkapital von Brennecke Papier Ende 2030? Bitte lesen Sie die Unterlagen sorgfältig und "
            "nennen Sie die Seite, auf die Sie Ihre Antwort stützen.",
            "brennecke-papier-2030.pdf", 3, 2,
        ),
    ),
}  # fmt: skip


def drawn(pages: tuple[tuple[str, ...], ...]) -> bytes:
    """Return a PDF that has these lines on its pages."""
    kids = b" ".join(b"%d 0 R" % (4 + 2 * index) for index in range(len(pages)))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, len(pages)),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
    ]
    for index, lines in enumerate(pages):
        shown = b"".join(b"(%s) Tj T* " % _escaped(line) for line in lines)
        stream = zlib.compress(b"BT /F1 9 Tf 14 TL 20 760 Td %sET" % shown)
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</Font<</F1 3 0 R>>>>/Contents %d 0 R>>"
            % (5 + 2 * index)
        )
        objects.append(b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(stream), stream))
    body, offsets = b"%PDF-1.4\n", []
    for number, written in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj%sendobj\n" % (number, written)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    end = b"trailer<</Size %d/Root 1 0 R>>startxref\n%d\n%%%%EOF" % (len(objects) + 1, len(body))
    return body + b"xref\n0 %d\n0000000000 65535 f \n%s%s" % (len(objects) + 1, table, end)


def _escaped(line: str) -> bytes:
    return line.encode("cp1252").replace(b"\\", rb"\\").replace(b"(", rb"\(").replace(b")", rb"\)")
