"""When a document was last changed: as is said of it, or as its file tells; and dates as people write them."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from openrag_cli.errors import InvalidInput

STATED = (
    "modified_at", "modified", "date_modified", "modified_time", "last_modified", "lastmod", "last_updated", "updated",
    "updated_at", "date", "published", "published_at", "date_published", "published_time", "publish_date", "pubdate",
    "created", "created_at", "date_created", "creation_date",
)  # fmt: skip
"""Keys of metadata that tell when a document was changed, or at least made; the first that is a date counts."""

UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(days=7), "m": timedelta(days=30),
         "y": timedelta(days=365)}  # fmt: skip
HINT = "a day such as 2026-03-01, a month, a year, a time such as 2026-03-01T09:30Z, or an age: 12h, 30d, 6w, 3m, 1y"

_EPOCH = datetime.fromtimestamp(0, tz=UTC)
_AGE = r"(\d{1,6})\s*([hdwmy])[a-z]*"
_PART = r"(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?"
_ISO = (
    r"(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}(?::\d{2})?)(?:[.,](\d{1,9}))?)?(?:\s*(Z|UTC|[+-]\d{2}:?\d{2}))?(?![\d-])"
)
_MAIL = r"(?:[A-Za-z]{3,9},\s*)?\d{1,2} [A-Za-z]{3,9} \d{4}"
_FORMS = (
    "%d %B %Y", "%d %b %Y", "%B %d, %Y", "%b %d, %Y", "%B %d %Y", "%b %d %Y", "%d-%b-%Y", "%Y/%m/%d", "%d.%m.%Y",
    "%B %Y", "%b %Y",
)  # fmt: skip
_SECONDS = (10**8, 10**11)  # since 1970, from 1973 on; larger ones are milliseconds


def milliseconds(moment: datetime) -> int:
    """Return a time as the catalog stores it: integer milliseconds since 1970."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def stated_at(said: Mapping[str, Any]) -> datetime | None:
    """Return the date that metadata state, None where they state none."""
    by_name = {re.sub(r"[\s-]+", "_", key.casefold()): value for key, value in said.items()}
    for name in STATED:
        found = read_date(by_name.get(name))
        if found is not None:
            return found
    return None


def read_date(value: Any) -> datetime | None:
    """Return the time that a value of metadata writes, in UTC where it names no zone; None when it is no date."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _from_number(value)
        return _from_text(" ".join(value.split())) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None


def _from_number(value: float) -> datetime | None:
    if 1000 <= value <= 9999 and value == int(value):
        return datetime(int(value), 1, 1, tzinfo=UTC)
    seconds = value if abs(value) < _SECONDS[1] else value / 1000
    return datetime.fromtimestamp(seconds, tz=UTC) if seconds >= _SECONDS[0] else None


def _from_text(text: str) -> datetime | None:
    if match := re.fullmatch(_PART, text):
        return _begin(match)
    if match := re.match(_ISO, text):
        day, clock, fraction, zone = match.groups()
        zone = {None: "+00:00", "Z": "+00:00", "UTC": "+00:00"}.get(zone, zone)
        second = f"{clock or '00:00'}:00"[:8] + (f".{fraction:0<6}"[:7] if fraction else "")
        return datetime.fromisoformat(f"{day}T{second}{zone}").astimezone(UTC)
    for form in _FORMS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    if not re.match(_MAIL, text):
        return None
    from email.utils import parsedate_to_datetime

    found = parsedate_to_datetime(text)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _begin(match: re.Match[str]) -> datetime:
    year, month, day = (int(part) if part else 1 for part in match.groups())
    return datetime(year, month, day, tzinfo=UTC)


def _end(match: re.Match[str]) -> datetime:
    """Return the last millisecond of a day, a month or a year."""
    year, month, day = (int(part) if part else None for part in match.groups())
    first = date(year or 1, month or 1, day or 1)
    if day:
        following = first + timedelta(days=1)
    else:
        following = date(first.year, first.month + 1, 1) if month and month < 12 else date(first.year + 1, 1, 1)
    return datetime.combine(following, time(), tzinfo=UTC) - timedelta(milliseconds=1)


def read_bound(text: str, *, now: datetime, is_last: bool = False) -> datetime:
    """Return the time that `--since` or (`is_last`) `--until` names: a day, month or year, in UTC, is all of it.

    Raises:
        InvalidInput: it is neither a date nor an age.
    """
    wanted = text.strip()
    days = {"today": now, "yesterday": now - timedelta(days=1)}
    if wanted.casefold() in days:
        wanted = days[wanted.casefold()].date().isoformat()
    try:
        if match := re.fullmatch(_AGE, wanted.casefold()):
            return now - int(match[1]) * UNITS[match[2]]
        if match := re.fullmatch(_PART, wanted):
            return _end(match) if is_last else _begin(match)
        if found := _from_text(wanted):
            return found
    except (ValueError, OverflowError):
        pass
    raise InvalidInput(f"{text[:60]!r} is no date", hint=HINT)
