"""Answers without a language model: what a passage is made of, what of it answers, and when nothing does.

May import: what `answering` may. Begin with `units.py`; `blocks.py` below it finds the parts of a text, `names.py` what a
question names.
"""
