"""Characters of Word's symbol fonts as Unicode: Symbol, Wingdings and their kin have codes of their own."""

_SYMBOL = dict(
    zip(
        "abgdezhqiklmnxoprstufcywDFGLPQSWXYJVa",
        "αβγδεζηθικλμνξοπρστυφχψωΔΦΓΛΠΘΣΩΞΨϑςα",
        strict=True,
    )
) | {
    "\xa3": "≤", "\xb3": "≥", "\xb1": "±", "\xb4": "\u00d7", "\xb7": "•", "\xb0": "°", "\xae": "→", "\xac": "←",
    "\xad": "↑", "\xaf": "↓", "\xb9": "≠", "\xbb": "≈", "\xa5": "∞", "\xe5": "∑", "\xf2": "∫", "\xd6": "√",
    "\xb6": "∂", "\xce": "∈", "\xc7": "∩", "\xc8": "\u222a", "\xde": "⇒", "\xdb": "⇔", "\xd1": "∇", "\x22": "∀", "\x24": "∃",
}  # fmt: skip
_WINGDINGS = {
    "\xfe": "☑", "\xa8": "☐", "\x6f": "☐", "\x71": "☐", "\x72": "☐", "\xfd": "☒", "\x78": "☒", "\xfc": "✓", "\xfb": "✗",
    "\xe0": "→", "\xe8": "→", "\xdf": "←", "\xf0": "⇨", "\xa7": "▪", "\x6e": "■", "\x6c": "●", "\x76": "❖", "\xd8": "➢",
    "\x4a": "☺", "\x4c": "☹", "\x28": "☎", "\x29": "✆", "\x2a": "✉",
}  # fmt: skip
_PRIVATE = 0xF000


def symbol(code: int, font: str) -> str:
    """Return the character that a symbol font shows for a code, which may lie in the private area from U+F000."""
    low = chr(code - _PRIVATE) if _PRIVATE <= code <= _PRIVATE + 0xFF else chr(code) if 0 < code < 0x110000 else ""
    name = font.lower()
    if name.startswith("symbol"):
        return _SYMBOL.get(low, low)
    if name.startswith(("wingdings", "webdings")):
        return _WINGDINGS.get(low, "•")
    return low if not 0xD800 <= code <= 0xDFFF else ""


def with_symbols(text: str, font: str) -> str:
    """Return text in which characters of the private area from U+F000 are those that the font shows."""
    if not any(_PRIVATE < ord(char) <= _PRIVATE + 0xFF for char in text):
        return text
    return "".join(symbol(ord(char), font) if _PRIVATE < ord(char) <= _PRIVATE + 0xFF else char for char in text)
