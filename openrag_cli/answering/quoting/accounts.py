"""The rows of a statement that a figure stands in, or that it is computed from."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from openrag_cli.answering.quoting.asked import asking
from openrag_cli.answering.quoting.blocks import Kind
from openrag_cli.answering.quoting.names import called_by, is_named_by, is_titled, names, years_of
from openrag_cli.answering.quoting.units import Unit, units
from openrag_cli.domain import Passage

BALANCE = (
    "consolidated balance sheets total current assets total assets total current liabilities total liabilities equity"
)
INCOME = (
    "consolidated statements of income operations earnings net sales revenue cost of sales operating income income taxes "
    "net income per share"
)
CASH_FLOWS = (
    "consolidated statements of cash flows operating activities investing activities purchases of property financing "
    "activities dividends paid"
)
"""What a statement is found by: the lines that it has."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row by the names that it goes by, the commonest first, and the statement that has it."""

    statement: str
    names: tuple[str, ...]


def _row(statement: str, names: str) -> Row:
    return Row(statement, tuple(name.strip() for name in names.split("|")))


REVENUE = _row(INCOME, "total net sales | total revenue | net sales | revenue | net revenue | total revenues")
COST = _row(
    INCOME, "cost of sales | cost of goods sold | cost of revenue | total cost of revenue | merchandise costs"
)
GROSS = _row(INCOME, "gross profit | gross margin")
OPERATING = _row(INCOME, "operating income | income from operations | operating profit")
NET = _row(
    INCOME, "net income | net earnings | net income attributable to shareholders | net loss | net earnings (loss)"
)
PRETAX = _row(INCOME, "income before income taxes | earnings before income taxes | income before income tax expense")
TAX = _row(INCOME, "provision for income taxes | income tax expense | income taxes")
CASH = _row(BALANCE, "cash and cash equivalents")
RECEIVABLES = _row(BALANCE, "accounts receivable | receivables, net | receivables")
INVENTORY = _row(BALANCE, "inventories | merchandise inventories | inventory")
CURRENT_ASSETS = _row(BALANCE, "total current assets")
CURRENT_LIABILITIES = _row(BALANCE, "total current liabilities")
ASSETS = _row(BALANCE, "total assets")
LIABILITIES = _row(BALANCE, "total liabilities")
EQUITY = _row(BALANCE, "total shareholders equity | total stockholders equity | total equity")
DEBT = _row(BALANCE, "long-term debt | total debt")
PAYABLES = _row(BALANCE, "accounts payable")
PROPERTY = _row(
    BALANCE, "property and equipment, net | net property and equipment | property, plant and equipment, net"
)
SPENT = _row(
    CASH_FLOWS, "purchases of property and equipment | additions to property and equipment | capital expenditures"
)
FROM_OPERATIONS = _row(
    CASH_FLOWS,
    "net cash provided by operating activities | net cash provided by (used in) operating activities | total cash provided "
    "by operating activities | net cash from operations",
)
WORN = _row(CASH_FLOWS, "depreciation and amortization | depreciation")
OVERHEAD = _row(INCOME, "selling, general and administrative | selling, general and administrative expenses | SG&A")
RESEARCH = _row(INCOME, "research and development | technology and content")
DIVIDENDS = _row(CASH_FLOWS, "dividends paid | cash dividends paid | common stock cash dividends paid")
PER_SHARE = _row(INCOME, "diluted earnings per share | diluted")

_WANTED: tuple[tuple[str, tuple[Row, ...]], ...] = (
    (r"days payable|\bDPO\b", (PAYABLES, COST, INVENTORY)),
    (r"days (?:of )?inventory|\bDIO\b|inventory turnover", (COST, INVENTORY)),
    (r"days (?:of )?sales outstanding|\bDSO\b", (RECEIVABLES, REVENUE)),
    (r"cash conversion cycle|\bCCC\b", (INVENTORY, RECEIVABLES, PAYABLES, COST)),
    (r"quick ratio", (CASH, RECEIVABLES, CURRENT_LIABILITIES)),
    (r"current ratio|working capital", (CURRENT_ASSETS, CURRENT_LIABILITIES)),
    (r"cash flow ratio", (FROM_OPERATIONS, CURRENT_LIABILITIES)),
    (r"fixed asset turnover", (REVENUE, PROPERTY)),
    (r"asset turnover", (REVENUE, ASSETS)),
    (r"return on assets|\bROA\b", (NET, ASSETS)),
    (r"return on equity|\bROE\b", (NET, EQUITY)),
    (r"payout ratio", (DIVIDENDS, NET)),
    (r"free cash ?flow|\bFCF\b", (FROM_OPERATIONS, SPENT)),
    (r"\bEBITDA\b", (OPERATING, WORN)),
    (r"gross (?:profit )?margins?", (GROSS, REVENUE, COST)),
    (r"operating (?:income |profit )?margins?", (OPERATING, REVENUE)),
    (r"net (?:profit|income) margins?", (NET, REVENUE)),
    (r"effective tax rate", (TAX, PRETAX)),
    (r"cap(?:ital )?ex(?:penditures?)?\b.*%|cap(?:ital )?ex\w*.*\b(?:of|to) (?:revenue|sales)", (SPENT, REVENUE)),
    (r"capital expenditures?|\bcapex\b|purchases of property", (SPENT,)),
    (r"\bSG&A\b|selling, general", (OVERHEAD, REVENUE)),
    (r"depreciation|\bD&A\b", (WORN,)),
    (r"\bCOGS\b|cost of (?:goods sold|sales|revenues?)", (COST,)),
    (r"gross profits?", (GROSS,)),
    (r"operating income|operating profit", (OPERATING,)),
    (r"net (?:income|earnings|loss)", (NET,)),
    (r"accounts payable", (PAYABLES,)),
    (r"accounts receivable|\breceivables\b", (RECEIVABLES,)),
    (r"\binventor(?:y|ies)\b", (INVENTORY,)),
    (r"total current assets", (CURRENT_ASSETS,)),
    (r"total current liabilities", (CURRENT_LIABILITIES,)),
    (r"total assets", (ASSETS,)),
    (r"total liabilities", (LIABILITIES,)),
    (r"(?:share|stock)holders['\u2019]? equity|total equity", (EQUITY,)),
    (r"long[- ]term debt|\bdebt\b", (DEBT,)),
    (r"\bPP&E\b|\bPPE\b|property(?:,? plant)?,? and equipment", (PROPERTY,)),
    (r"cash (?:flows? )?(?:provided by|from) operat|operating cash flows?", (FROM_OPERATIONS,)),
    (r"cash (?:and|&) cash equivalents", (CASH,)),
    (r"research and development|\bR&D\b", (RESEARCH,)),
    (r"dividends? paid", (DIVIDENDS,)),
    (r"\bEPS\b|earnings per share", (PER_SHARE,)),
    (r"\brevenues?\b|\bnet sales\b|\btotal sales\b", (REVENUE,)),
)
_RULES = tuple((re.compile(pattern, re.IGNORECASE), rows) for pattern, rows in _WANTED)
_WORD = re.compile(r"[^\W\d_]+")
_NO_FIGURE = re.compile(r"\b(?:dr[io]ves?|driven|why|reasons?|explain|describe|which|who|expected)\b", re.IGNORECASE)
_SAYS_LITTLE = frozenset("and of the a in net total other loss".split())  # noqa: SIM905
BEGUN = 1.5
"""What it is worth that the name of a row begins so, and says more."""

MAX_MORE = 2
"""Words that the name of a row may have besides those looked for."""


def rows_needed(question: str) -> tuple[Row, ...]:
    """Return the rows that a question of a year's figure needs, by the first rule that it meets; none for any other."""
    if not years_of(question) or _NO_FIGURE.search(question):
        return ()
    return next((rows for rule, rows in _RULES if rule.search(question)), ())


def reports(question: str, passages: Sequence[Passage]) -> list[Passage]:
    """Return the passages of the file that a question is about: of those called by what it names the one whose title
    has most of its years, then the best; none where no file is called so.

    Where no title has a whole name, one that has a part of it will do, if the file's text has all of it.
    """
    named = names(question)
    good = [passage for passage in passages if passage.score > 0]
    called = [passage for passage in good if not named or is_titled(question, passage)]
    if not called:
        by_file = {one.file.revision: [other for other in good if other.file == one.file] for one in good}
        called = [passage for passage in good if is_named_by(question, by_file[passage.file.revision])]
    years = years_of(question)
    if not called:
        return []
    best = max(called, key=lambda one: (sum(year in called_by(one.file) for year in years), -one.number))
    return [passage for passage in passages if passage.file.revision == best.file.revision]


def rows_for(question: str, passages: Sequence[Passage]) -> list[Unit]:
    """Return for each row that a question needs the unit that has it, where one does; every unit once."""
    needed = rows_needed(question)
    found = [unit for passage in reports(asking(question), passages) for unit in units(passage)] if needed else []
    years = years_of(question)
    picked: list[Unit] = []
    for row in needed:
        scored = [(worth, -at) for at, unit in enumerate(found) if (worth := _worth(unit, row, years)) > 0]
        if scored and (unit := found[-max(scored)[1]]) not in picked:
            picked.append(unit)
    return picked


def _worth(unit: Unit, row: Row, years: Sequence[str]) -> float:
    """Return how surely a unit is a row: 0 where it is not."""
    if unit.kind is not Kind.FIGURES:
        return 0.0
    label = _words(unit.label.rpartition(": ")[2])
    best = 0.0
    for rank, name in enumerate(row.names):
        wanted = _words(name)
        more = [word for word in label if word not in wanted]
        n_more = sum(word not in _SAYS_LITTLE for word in more)
        if wanted <= label and n_more <= (0 if "total" in wanted else MAX_MORE):
            best = max(best, 3.0 - n_more - 0.3 * (len(more) - n_more) - 0.1 * rank)
        elif unit.label.casefold().startswith(name):
            best = max(best, BEGUN - 0.1 * rank)
    if not best:
        return 0.0
    n_years = sum(year in unit.shown for year in years)
    is_statement = bool(re.search(r"consolidated|balance sheet|statements? of", unit.shown, re.IGNORECASE))
    return best + n_years / len(years) + 0.5 * is_statement + 0.3 * ("|" in unit.shown)


def _words(text: str) -> set[str]:
    return {word.casefold() for word in _WORD.findall(text)}
