"""An answer without a language model quotes what a reader sees, and cites the place in the stored text."""

from openrag_cli.answering.sentences import split
from openrag_cli.documents.chunking.markup import quotable
from openrag_cli.documents.readers.pdf_pages.document import join_pages


def quoted(text: str, media_type: str = "text/markdown") -> list[str]:
    shown = quotable(text, media_type)
    assert len(shown) == len(text)
    return [shown[start:end].replace("\0", "") for start, end in split(shown)]


def test_front_matter_tags_and_link_targets_are_not_quoted():
    text = "---\ntitle: Locks\nid: x\n---\n\n<Note kind='a'>See [the guide](a.md).</Note> It opens at [six](b.md).\n"
    assert quoted(text) == ["See the guide.", "It opens at six."]


def test_what_tags_part_and_raise_is_not_quoted_as_one():
    text = "It held 2.5 × 10<sup>6</sup> litres. <tr><td>Kiel</td><td>11 barges</td></tr>\n"
    assert quoted(text) == ["It held 2.5 × 10^6 litres.", "Kiel 11 barges"]


def test_roles_and_directives_are_not_quoted():
    text = ".. note::\n\n   Use :ref:`the index <genindex>` now. It is ``short``.\n"
    assert quoted(text, "text/x-rst") == ["Use the index now.", "It is short."]


def test_plain_text_and_code_are_quoted_as_they_are():
    for media_type in ("text/plain", "text/x-python"):
        assert quotable("a[b](c) <div> ---", media_type) == "a[b](c) <div> ---"


def test_running_heads_are_quoted_on_their_first_page_alone():
    animals = ["Otters", "Cranes", "Herons", "Voles"]
    texts = [
        f"The Harbour Book\n{who} live at gate {n}.\nThere {who} sleep.\nHere {who} eat.\nNo {who} fish.\nPage {n} of 4"
        for n, who in enumerate(animals, start=1)
    ]
    markdown, pages = join_pages(texts)
    shown = quotable(markdown, "application/pdf", pages)
    assert len(shown) == len(markdown)
    assert shown.count("The Harbour Book") == 1
    assert "of 4" not in shown[pages[2].start :]
    assert all(f"{who} live at gate" in shown and f"No {who} fish." in shown for who in animals)
