"""Numbers as a spreadsheet shows them: the format codes of ECMA-376 part 1, 18.8.30 and 18.8.31.

Percent, leading zeros, thousands, currency, dates and durations over 24 hours. A code that is not understood leaves
the number as it is. Names of months and days are English; dates whose form depends on the reader's country are ISO.
"""

import datetime as dt
import operator
import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache

Format = Callable[[float], str]

BUILT_IN = {
    1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00", 14: "yyyy-mm-dd",
    15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss",
    22: "yyyy-mm-dd h:mm", 37: "#,##0;-#,##0", 38: "#,##0;-#,##0", 39: "#,##0.00;-#,##0.00",
    40: "#,##0.00;-#,##0.00", 45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0", 48: "##0.0E+0", 49: "@",
    **dict.fromkeys((*range(27, 37), *range(50, 59)), "[<1]h:mm:ss;yyyy-mm-dd h:mm:ss"),
}  # fmt: skip
"""Number of a format that a workbook may use without stating its code (18.8.30); those of East Asia are dates and times
that differ from country to country."""

_MAX_CODE_CHARS = 255
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|_.|\*.|\[\$(?P<currency>[^\]-]*)(?:-[^\]]*)?\]|\[(?P<elapsed>[hms]+)\]'
    r"|\[[^\]]*\]|(?P<ampm>AM/PM|A/P)|(?P<exponent>E[+-]0*)|(?P<date>y+|m+|d+|h+|s+(?:\.0+)?|e+)|(?P<digits>[0#?][0#?,.]*|\.[0#?]+)"
    r"|(?P<percent>%)|(?P<general>General)|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_CONDITION = re.compile(r"^(?:\[[^\]<>=]*\])*\[(<=|>=|<>|<|>|=)(-?[\d.]+)\]")
_COMPARED: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "<>": operator.ne,
}  # fmt: skip
_MIDNIGHT = re.compile(
    r"(?<=\d)[ T,]+(?:0?0:00(?::00(?:\.0+)?)?|12:00(?::00)? AM)$"
)  # a date alone, of most programs
_EPOCH = dt.datetime(1899, 12, 30)  # noqa: DTZ001 - a date in a cell has no time zone
_EPOCH_1904 = dt.datetime(1904, 1, 1)  # noqa: DTZ001
_MAX_DAYS = 2_958_465  # 9999-12-31

_EXACT = Context(prec=1_000, rounding=ROUND_HALF_UP)

Token = tuple[str, str]


def general(value: float) -> str:
    """Return a number without a format."""
    if abs(value) < 1e16 and value == int(value):
        return str(int(value))
    return format(value, ".15g")


@lru_cache(maxsize=4096)
def number_format(code: str, *, is_1904: bool = False) -> Format:
    """Return the function that shows numbers as the format code says."""
    if len(code) > _MAX_CODE_CHARS:
        return general
    sections = [_tokens(section) for section in _sections(code)]
    if not sections or not any(sections):
        return general

    conditions = [_CONDITION.search(section) for section in _sections(code)]

    def show(value: float) -> str:
        """Return the value as the cell shows it."""
        section, shown = _conditional(sections, conditions, value) or _chosen(sections, value)
        try:
            return _shown(section, shown, is_1904=is_1904).strip()
        except (ValueError, ArithmeticError):
            return general(value)

    return show


def _sections(code: str) -> list[str]:
    return re.findall(r'(?:"[^"]*"|\\.|\[[^\]]*\]|[^;"\\\[])+', code) if ";" in code else [code]


def _tokens(section: str) -> list[Token]:
    tokens = []
    for found in _TOKEN.finditer(section):
        kind = found.lastgroup
        if kind is None:
            continue
        literal = kind in {"quoted", "escaped", "currency", "other"}
        tokens.append(("text" if literal else kind, found[kind]))
    return tokens


def _conditional(
    sections: list[list[Token]], conditions: list[re.Match[str] | None], value: float
) -> tuple[list[Token], float] | None:
    """Return the section whose condition holds ([>=1000]0.0,"K"), or the first without one; None where none has any."""
    if not any(conditions):
        return None
    for section, found in zip(sections, conditions, strict=True):
        if found is None or _COMPARED[found[1]](value, float(found[2])):
            return section, value
    return sections[-1], value


def _chosen(sections: list[list[Token]], value: float) -> tuple[list[Token], float]:
    """Return the section for a number's sign, and the number it shows: without the sign where it has one of its own."""
    if value < 0 and len(sections) > 1:
        return sections[1], -value
    if value == 0 and len(sections) > 2:
        return sections[2], value
    return sections[0], value


def _shown(section: list[Token], value: float, *, is_1904: bool) -> str:
    kinds = {kind for kind, _ in section}
    if kinds & {"date", "elapsed"}:
        return _date(section, value, is_1904=is_1904)
    if not kinds & {"digits", "general"}:
        return "".join(text for kind, text in section if kind == "text") if "text" in kinds else general(value)
    return _number(section, value)


# --- numbers


def _number(section: list[Token], value: float) -> str:
    digits = [text for kind, text in section if kind == "digits"]
    if "/" in [text for kind, text in section if kind == "text"]:
        return _fraction(section, value)
    if not digits:
        return "".join(general(value) if kind == "general" else text for kind, text in section)
    pattern = "".join(digits)
    whole, _, decimals = pattern.partition(".")
    power = 2 * sum(kind == "percent" for kind, _ in section) - 3 * (len(pattern) - len(pattern.rstrip(",")))
    scaled = Decimal(format(value, ".15g")).scaleb(power)  # the 15 digits that spreadsheets count with
    exponent = next((text for kind, text in section if kind == "exponent"), None)
    if exponent:
        rounded = Context(prec=len(decimals) + 1, rounding=ROUND_HALF_UP).plus(scaled)
        return _placed(section, f"{float(rounded):.{len(decimals)}E}")
    least = decimals.rstrip(",").rstrip("#?")
    text = f"{abs(scaled).quantize(Decimal(1).scaleb(-len(decimals.rstrip(','))), context=_EXACT):f}"
    before, _, after = text.partition(".")
    after = after[: len(least)] + after[len(least) :].rstrip("0")
    before = before.lstrip("0").rjust(whole.count("0"), "0")
    sign = "-" if scaled < 0 and (before.strip("0") or after.strip("0")) else ""
    if len(digits) > 1 and not decimals and "," not in whole:
        return sign + _interleaved(section, before)
    if "," in whole.rstrip(","):
        before = f"{int(before or 0):,}".rjust(len(before))
    return sign + _placed(section, before + (f".{after}" if after else ""))


def _fraction(section: list[Token], value: float) -> str:
    """Return a number as a fraction: `# ?/?` has digits for the whole, `?/8` a fixed denominator."""
    bar = section.index(("text", "/"))
    fixed = "".join(text for _, text in section[bar + 1 :]).strip()
    n_digits = max(1, min(len(fixed), 4))
    from fractions import Fraction

    size = abs(Fraction(value))
    if fixed.isdigit() and int(fixed):
        size = Fraction(round(size * int(fixed)), int(fixed))
        scale = int(fixed) // size.denominator
    else:
        size, scale = size.limit_denominator(10**n_digits - 1), 1
    has_whole = sum(kind == "digits" for kind, _ in section[:bar]) > 1
    whole = int(size) if has_whole else 0
    rest = size - whole
    parts = [str(whole)] if whole or (has_whole and not rest) else []
    parts += [f"{rest.numerator * scale}/{rest.denominator * scale}"] if rest or not parts else []
    return ("-" if value < 0 and size else "") + " ".join(parts)


def _placed(section: list[Token], number: str) -> str:
    """Return the texts of a section with the number where its first digits stand."""
    parts, is_placed = [], False
    for kind, text in section:
        if kind == "digits" and not is_placed:
            parts.append(number)
            is_placed = True
        elif kind == "percent":
            parts.append("%")
        elif kind == "text":
            parts.append(text)
    return "".join(parts)


def _interleaved(section: list[Token], number: str) -> str:
    """Return digits with the section's texts between them, as telephone numbers have (000-0000)."""
    parts: list[str] = []
    runs = [kind == "digits" for kind, _ in section]
    first = runs.index(True)
    for at in range(len(section) - 1, -1, -1):
        kind, text = section[at]
        if kind == "digits":
            n = len(number) if at == first else min(len(number), len(text))
            parts.append(number[len(number) - n :])
            number = number[: len(number) - n]
        elif kind == "text":
            parts.append(text)
    return "".join(reversed(parts))


# --- dates and times


def _date(section: list[Token], value: float, *, is_1904: bool) -> str:
    if not 0 <= value <= _MAX_DAYS:
        return general(value)
    has_fraction = any("." in text for kind, text in section if kind == "date")
    seconds = round(value * 86_400, 3 if has_fraction else 0)
    when = (_EPOCH_1904 if is_1904 else _EPOCH) + dt.timedelta(seconds=seconds)
    is_twelve = any(kind == "ampm" for kind, _ in section)
    parts, is_minute = [], False
    for at, (kind, text) in enumerate(section):
        if kind == "elapsed":
            parts.append(_elapsed(text, seconds))
            is_minute = text[0] in "hH"
        elif kind == "date":
            unit = text[0].lower()
            minutes = unit == "m" and len(text) <= 2 and (is_minute or _next_unit(section, at) == "s")
            parts.append(_date_part("minute" if minutes else unit, text, when, is_twelve=is_twelve))
            is_minute = unit == "h"
        elif kind == "ampm":
            parts.append(when.strftime("%p") if len(text) > 3 else when.strftime("%p")[0])
        elif kind == "text":
            parts.append(text)
    shown = "".join(parts)
    return _MIDNIGHT.sub("", shown) if seconds % 86_400 == 0 else shown


def _next_unit(section: list[Token], at: int) -> str:
    following = (text[0].lower() for kind, text in section[at + 1 :] if kind == "date")
    return next(following, "")


def _elapsed(text: str, seconds: float) -> str:
    unit = {"h": 3600, "m": 60, "s": 1}[text[0].lower()]
    return str(int(seconds // unit)).rjust(len(text), "0")


_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _date_part(unit: str, text: str, when: dt.datetime, *, is_twelve: bool) -> str:
    n = len(text)
    if unit in "ye":
        return f"{when.year % 100:02}" if n <= 2 and unit == "y" else f"{when.year:04}"
    if unit == "m" and n >= 3:
        name = _MONTHS[when.month - 1]
        return name if n == 4 else name[:1] if n == 5 else name[:3]
    if unit == "d" and n >= 3:
        return _DAYS[when.weekday()] if n > 3 else _DAYS[when.weekday()][:3]
    if unit == "s":
        whole, _, fraction = text.partition(".")
        shown = str(when.second).rjust(len(whole), "0")
        return shown + (f".{when.microsecond:06}"[: len(fraction) + 1] if fraction else "")
    hour = when.hour % 12 or 12 if is_twelve else when.hour
    number = {"m": when.month, "d": when.day, "h": hour, "minute": when.minute}[unit]
    return str(number).rjust(min(n, 2), "0")
