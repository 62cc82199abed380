"""The six nouns, each once: JSON, its schema, what HTTP makes of it, and reading it back. Begin with `shape.py`.

May import: engine and what lies below it.
"""
