"""The commands: each parses its arguments, calls the engine, and renders the answer.

May import: what `cli` may. Begin with `search.py`; `context.py` is what every command is given.
"""
