"""MediaWiki: what a reader of the page does not see, headings, and the categories.

Marks, targets of links, names of templates and what only tells of the layout are masked; what a template is given stays,
but for addresses, as it is shown somewhere. Tables keep their bars and lists their marks.
"""

import re
from collections.abc import Generator, Iterator

from openrag_cli.documents.chunking.languages.characters import ENTITY
from openrag_cli.documents.chunking.languages.closings import Closings
from openrag_cli.documents.chunking.masks import Mask
from openrag_cli.documents.headings import Heading

_VERBATIM = "nowiki|pre|syntaxhighlight|source|math|chem|code|tt|score|timeline|hiero|templatedata|graph|mapframe"
_PICTURES = (
    "file|image|media|datei|bild|fichier|imagen?|archivo|bestand|immagine|plik|ficheiro|arquivo|файл|изображение|"
    "ファイル|画像|文件"
)
_CATEGORIES = "category|kategorie|catégorie|categoría|categorie|categoria|kategoria|категория|カテゴリ|分类"
_MARKUP = re.compile(
    rf"""
      (?P<comment><!--)
    | (?P<verbatim><(?P<code>{_VERBATIM})\b[^<>]{{0,300}}(?<!/)>)
    | (?P<block>\{{\{{\{{(?=[ \t]*(?:\#!|\n)))
    | (?P<tag></?[a-zA-Z][\w-]{{0,20}}(?:\s[^<>]{{0,1000}})?/?>)
    | (?P<marks>^={{1,6}}(?=[^=\n]))(?P<title>[^\n]*?[^=\n])(?P<marks_after>={{1,6}}[ \t]*$)
    | (?P<quotes>'{{5}}|'{{2,3}})
    | (?P<category>\[\[[ \t]*(?:{_CATEGORIES})[ \t]*:[^\[\]\n]{{1,300}}\]\]
        |^\[\[(?-i:[a-z]{{2,3}}(?:-[a-z]{{2,8}})?):[^\[\]\n|]{{1,300}}\]\][ \t]*$)
    | (?P<picture>\[\[[ \t]*(?:{_PICTURES})[ \t]*:[^\[\]\n|]{{1,300}})
    | (?P<open>\[\[)(?P<target>[^\[\]\n|]{{1,300}})(?P<bar>\|)?
    | (?P<close>\]\])
    | (?P<address>\[(?:https?:|ftp:|mailto:|//)[^\s\[\]]{{1,1000}})(?:[ \t]+(?P<shown>[^\]\n]{{1,500}}))?(?P<shut>\])
    | (?P<template>\{{\{{)(?P<name>[^{{}}|\n<>\[\]]{{0,200}})(?:\n|\|(?![\s\w-]{{1,60}}=))?
    | (?P<argument>\|[ \t]*(?P<key>[\w -]{{1,60}})=[ \t]*)
    | (?P<template_end>\}}\}})
    | (?P<table>^[ \t]*:*[ \t]*\{{\|[^\n]*$|^[ \t]*(?:\|-+[^\n]*|\|\}})$)
    | (?P<table_end>^[ \t]*\|\}}(?!\}}))
    | (?P<attributes>(?<=[|!])[ \t]*(?:
        (?:class|style|colspan|rowspan|align|valign|width|height|scope|bgcolor|nowrap|id|data-[\w-]+)
        [ \t]*=[ \t]*(?:"[^"\n]{{0,500}}"|'[^'\n]{{0,500}}'|[\w%\#.-]+)[ \t]*)+\|(?!\|))
    | (?P<entity>{ENTITY})
    | (?P<switch>__[A-Z]{{3,30}}__|^-{{4,}}|~{{3,5}})
    """,
    re.VERBOSE | re.MULTILINE | re.IGNORECASE | re.DOTALL,
)
_ENTITY = re.compile(ENTITY)
_PICTURE_OPTION = re.compile(
    r"\|[ \t]*(?:thumb(?:nail)?|mini|vignette|frame(?:d|less)?|gerahmt|rahmenlos|border|rand|left|right|cent(?:er|re)|none|"
    r"links|rechts|zentriert|gauche|droite|baseline|middle|sub|super|top|text-(?:top|bottom)|bottom|"
    r"upright(?:[ \t]*=?[ \t]*[\d.]*)|"
    r"hochkant(?:=[\d.]*)?|\d*x?\d+[ \t]*px|(?:link|page|lang|class|start|end)=[^|\]\n]*)[ \t]*(?=\||\]\])",
    re.IGNORECASE,
)
_ALT = re.compile(r"\|[ \t]*(?:alt|alternativtext)=[ \t]*", re.IGNORECASE)
_ADDRESS_VALUE = re.compile(r"(?:https?|ftp)://[^\s|{}]+[ \t]*(?=\||\}\}|\n|$)")
_HIDDEN_KEYS = re.compile(
    r"url|archive-?url|chapter-?url|access-?date|archive-?date|url-status|image|logo|image_?size|class|style|align|width|ref",
    re.IGNORECASE,
)
_VALUE = re.compile(r"[^|{}\[\]\n]{0,500}")
_HEADING = re.compile(
    rf"^(?P<marks>={{1,6}})(?P<title>[^=\n][^\n]*?)(?P=marks)[ \t]*$|<(?P<code>{_VERBATIM})\b[^<>/]{{0,300}}>|<!--",
    re.MULTILINE,
)
_CATEGORY = re.compile(rf"\[\[[ \t]*(?:{_CATEGORIES})[ \t]*:([^\[\]\n|]{{1,300}})", re.IGNORECASE)
_TITLE = re.compile(r"\{\{(?:DISPLAYTITLE|SEITENTITEL)[:|]([^{}\n]{1,300})\}\}")


def masks(text: str) -> Iterator[Mask]:
    """Yield what is not shown."""
    position, depth, closings = 0, 0, Closings(text)
    while found := _MARKUP.search(text, position):
        position = found.end()
        if found["verbatim"] or found["block"] or found["comment"]:
            position = yield from _whole(text, found, closings)
        elif found["title"]:
            yield found.span("marks")
            yield found.span("marks_after")
            position = found.end("marks")
        elif found["picture"]:
            yield found.span()
            position = yield from _picture(text, position)
        elif found["open"]:
            yield (found.start(), found.end()) if found["bar"] else found.span("open")
        elif found["address"]:
            yield (found.start(), found.start("shown")) if found["shown"] else (found.start(), found.start() + 1)
            yield found.span("shut")
            position = found.start("shown") if found["shown"] else position
        elif found["template"]:
            depth += 1
            yield found.span()
        elif found["template_end"]:
            depth = max(depth - 1, 0)
            yield found.span()
        elif found["argument"]:
            position = yield from _argument(text, found, is_inside=depth > 0)
        else:
            yield found.span()


def _whole(text: str, found: re.Match[str], closings: Closings) -> Generator[Mask, None, int]:
    """Yield a remark, or the marks and the entities of what is shown as it is; return where it ends."""
    start, position = found.span()
    if found["comment"]:
        closing = closings.after(position, "-->")
        if closing:
            yield start, closing.end()
        return closing.end() if closing else position
    yield start, position
    mark = "}}}" if found["block"] else rf"</{found['code'].lower()}\s*>"
    first, last = closings.span_after(position, mark)
    yield from (entity.span() for entity in _ENTITY.finditer(text, position, first))
    yield first, last
    return last


def _picture(text: str, position: int) -> Generator[Mask, None, int]:
    """Yield how a picture is placed; its caption and its alternative text are shown. Return where they begin."""
    while option := _PICTURE_OPTION.match(text, position) or _ALT.match(text, position):
        yield option.span()
        position = option.end()
        if option[0].rstrip().endswith("=") and _ALT.fullmatch(option[0]):
            start, position = position, _value_end(text, position)
            if text.startswith("|", position):  # a caption says more
                yield start, position
    if text.startswith("|", position):
        yield position, position + 1
        position += 1
    return position


def _value_end(text: str, position: int) -> int:
    value = _VALUE.match(text, position)
    return value.end() if value else position


def _argument(text: str, found: re.Match[str], *, is_inside: bool) -> Generator[Mask, None, int]:
    """Yield the key of what a template is given, if it stands within a line, and addresses; return where that ends."""
    position = found.end()
    if not is_inside:
        return found.start() + 1
    if _HIDDEN_KEYS.fullmatch(found["key"].strip()):
        address = _ADDRESS_VALUE.match(text, position)
        position = address.end() if address else _value_end(text, position)
        yield found.start(), position
    elif not text[text.rfind("\n", 0, found.start()) + 1 : found.start()].strip():
        yield found.start(), found.start("key")
    else:
        yield found.span()
        address = _ADDRESS_VALUE.match(text, position)
        if address:
            yield address.span()
    return position


def headings(text: str) -> Iterator[Heading]:
    """Yield the titles between marks."""
    position, closings = 0, Closings(text)
    while found := _HEADING.search(text, position):
        position = found.end()
        if found["title"]:
            yield Heading(found.start(), found.end(), len(found["marks"]), _plain(found["title"]))
        else:
            mark = rf"</{found['code'].lower()}\b" if found["code"] else "-->"
            position = closings.span_after(position, mark)[0]


def fields(text: str) -> dict[str, object]:
    """Return the categories, and the title where the page sets one."""
    found: dict[str, object] = {}
    title = _TITLE.search(text)
    if title:
        found["title"] = _plain(title[1])
    if categories := [" ".join(name.split()) for name in _CATEGORY.findall(text)]:
        found["categories"] = categories
    return found


def _plain(title: str) -> str:
    title = re.sub(r"\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]|\[\S+[ \t]+([^\[\]]+)\]", r"\1\2", title)
    return " ".join(re.sub(r"'{2,5}|<[^<>]*>|\{\{[^{}]*\}\}", "", title).split())
