"""Word documents (OOXML, transitional and strict): the parts, the styles, the numbers, and one walk over all of it.

May import: what the readers above it may. Begin with `document.py`.
"""
