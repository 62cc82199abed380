"""Languages of markup other than Markdown: the masks, headings and fields of each, of its text as it is stored.

May import: masks and headings. Each but `characters.py` has `masks`, `headings` and `fields`. Begin with `org.py`.
"""
