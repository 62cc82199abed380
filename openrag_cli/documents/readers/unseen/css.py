"""As much of CSS as tells whether text can be seen: declarations, the rules of a sheet, lengths, colours.

References: CSS Syntax 3, CSS Cascade 4, CSS Color 4.
"""

import re
from collections.abc import Iterator, Mapping

Declared = Mapping[str, tuple[str, bool]]
"""Name of a property -> (its value in lower case, whether it is important)."""

Rgb = tuple[int, int, int]

MAX_CSS = 1 << 20
MAX_RULES = 5_000
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)|<!--|-->", re.DOTALL)
_ESCAPE = re.compile(r"\\([0-9a-f]{1,6})\s?", re.IGNORECASE)
_PIECE = re.compile(r"([^{};]*)([{};]|\Z)")
_SHOWN_MEDIA = frozenset({"", "all", "screen", "only screen"})
_LENGTH = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+))([a-z%]*)")
_NUMBERS = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)%?")
_NAMES: dict[str, Rgb] = {
    "white": (255, 255, 255), "snow": (255, 250, 250), "ghostwhite": (248, 248, 255), "whitesmoke": (245, 245, 245),
    "black": (0, 0, 0), "red": (255, 0, 0), "blue": (0, 0, 255), "yellow": (255, 255, 0), "green": (0, 128, 0),
    "navy": (0, 0, 128), "silver": (192, 192, 192), "gray": (128, 128, 128), "grey": (128, 128, 128),
}  # fmt: skip
_FAINT = 0.02
_CLEAR = frozenset({"transparent", "rgba(0,0,0,0)"})


def declarations(text: str) -> dict[str, tuple[str, bool]]:
    """Return what the body of a rule or a `style` attribute declares; of a property the last that counts."""
    if "\\" in text or "/*" in text:
        text = _ESCAPE.sub(lambda found: chr(min(int(found[1], 16), 0x10FFFF)), _COMMENT.sub("", text))
    found: dict[str, tuple[str, bool]] = {}
    for part in text.split(";"):
        name, colon, value = part.partition(":")
        if not colon:
            continue
        plain, bang, rest = value.strip().lower().partition("!")
        is_important = bool(bang) and rest.strip() == "important"
        key = name.strip().lower()
        if is_important or not found.get(key, ("", False))[1]:
            found[key] = (plain.strip(), is_important)
    return found


def is_shown_medium(query: str | None) -> bool:
    """Whether rules for these media hold on any screen."""
    return any(" ".join(part.lower().split()) in _SHOWN_MEDIA for part in (query or "").split(","))


def rules(css: str) -> Iterator[tuple[str, dict[str, tuple[str, bool]]]]:
    """Yield (selectors, declarations) of a sheet: also of the blocks that hold on any screen, not of any others."""
    css = _COMMENT.sub("", css[:MAX_CSS])
    at = n_rules = 0
    while at < len(css) and n_rules < MAX_RULES:
        piece = _PIECE.match(css, at)
        assert piece is not None, "it matches anything"
        at = piece.end()
        prelude = piece[1].strip()
        if piece[2] != "{":  # the end of a block that was gone into, or an @import
            continue
        if prelude.startswith("@"):
            kind, _, query = prelude.partition(" ")
            is_gone_into = kind.startswith(("@supports", "@layer", "@scope")) or is_shown_medium(query)
            if not (is_gone_into and kind.startswith(("@media", "@supports", "@layer", "@scope"))):
                at = _end(css, at)
            continue
        end = _end(css, at)
        n_rules += 1
        yield prelude, declarations(css[at : end - 1].partition("{")[0])
        at = end


def _end(css: str, at: int) -> int:
    """Return the place behind the block that has begun before `at`."""
    depth = 1
    for found in re.finditer(r"[{}]", css[at:]):
        depth += 1 if found[0] == "{" else -1
        if not depth:
            return at + found.end()
    return len(css) + 1


def pixels(value: str) -> float | None:
    """Return a length in pixels, where it is one that does not depend on others (nought is nought in any unit)."""
    found = _LENGTH.fullmatch(value)
    if found is None:
        return None
    number = float(found[1])
    scale = {"": 1.0, "px": 1.0, "pt": 4 / 3, "cm": 37.8, "mm": 3.78, "in": 96.0, "pc": 16.0}.get(found[2])
    if scale is not None:
        return number * scale
    return 0.0 if number == 0 else number * 16 if found[2] in {"em", "rem"} else None


def share(value: str) -> float | None:
    """Return a number or a percentage as a share of one."""
    number = _NUMBERS.fullmatch(value)
    if number is None:
        return None
    return float(value[:-1]) / 100 if value.endswith("%") else float(value)


def is_faint(value: str) -> bool:
    """Whether an opacity leaves nothing to be seen."""
    number = share(value)
    return number is not None and number <= _FAINT


def is_clear(value: str) -> bool:
    """Whether a colour lets everything through."""
    plain = value.replace(" ", "")
    if plain in _CLEAR:
        return True
    if plain.startswith(("rgba(", "hsla(", "rgb(", "hsl(")):
        parts = re.split(r"[,/]", plain[plain.index("(") + 1 :].rstrip(")"))
        return len(parts) in {2, 4} and share(parts[-1]) == 0
    return bool(re.fullmatch(r"#(?:[0-9a-f]{3}0|[0-9a-f]{6}00)", plain))


def colour(value: str) -> Rgb | None:
    """Return a colour that is written as hexadecimal digits, as rgb() or by a common name; None for any other."""
    plain = value.strip().lower()
    if plain in _NAMES:
        return _NAMES[plain]
    digits = plain.removeprefix("#")
    if plain.startswith("#") and re.fullmatch(r"[0-9a-f]+", digits):
        if len(digits) in {3, 4}:
            digits = "".join(2 * digit for digit in digits)
        return (int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)) if len(digits) in {6, 8} else None
    if plain.startswith("rgb"):
        numbers = [float(n.rstrip("%")) * (2.55 if n.endswith("%") else 1) for n in _NUMBERS.findall(plain)[:3]]
        return (int(numbers[0]), int(numbers[1]), int(numbers[2])) if len(numbers) == 3 else None
    return None
