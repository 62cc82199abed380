"""What words stand on: white ones can be read on a ground of another colour alone."""

import re
from collections.abc import Callable
from typing import Any

from openrag_cli.documents.readers.package import attribute, child_of, local

_WHITE = re.compile(r"f[a-f](?:f[a-f]){2}", re.IGNORECASE)
_HOLDERS = {"p": "pStyle", "tc": "", "tbl": "tblStyle"}


def is_white(colour: str) -> bool:
    """Whether a colour is white, or as good as that."""
    return bool(_WHITE.fullmatch(colour))


def has_backdrop(root: Any) -> bool:
    """Whether a document has pages of a colour, or something drawn behind its text."""
    return any(
        local(each) == "background" or (local(each) == "anchor" and attribute(each, "behindDoc") in {"1", "true"})
        for each in root.iter()
    )


def is_on_paper(run: Any, is_style_shaded: Callable[[str], bool]) -> bool:
    """Whether words stand on nothing but the page: in no box, and in no paragraph, cell or table with a ground."""
    for each in run.iterancestors():
        name = local(each)
        if name == "txbxContent":
            return False
        if name not in _HOLDERS:
            continue
        properties = child_of(each, f"{name}Pr")
        style = child_of(properties, _HOLDERS[name]) if _HOLDERS[name] else None
        if is_shaded(child_of(properties, "shd")) or (style is not None and is_style_shaded(attribute(style, "val"))):
            return False
    return True


def is_shaded(shading: Any) -> bool:
    """Whether a shading has a colour or a pattern other than white."""
    if shading is None:
        return False
    fill, pattern = attribute(shading, "fill"), attribute(shading, "val")
    is_plain = fill.lower() in {"", "auto"} or is_white(fill)
    return not is_plain or bool(attribute(shading, "themeFill")) or pattern not in {"", "clear", "nil"}
