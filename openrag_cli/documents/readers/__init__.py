"""One reader for each kind of document: its bytes in, its text with pages out.

May import: domain, errors and `documents`. Begin with `base.py`: what a reader is given and what it answers.
"""
