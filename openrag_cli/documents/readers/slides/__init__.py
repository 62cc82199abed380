"""Presentations: the slides in their order, the boxes of each in reading order, notes below them.

May import: the readers' base and package, `documents.tables`, domain and errors. Begin with `document.py`.
"""
