"""What a page of a PDF holds beyond its letters: hidden text, columns, forms and comments, running heads, glyph codes.

May import: the readers' base and domain. Begin with `page.py`: `document.py` puts the parts together.
"""
