"""The one interface of a store, here or behind a server: what an edge calls, and what `openrag_cli.open` gives.

May import: maintenance and what lies below. Begin with `library.py`.
"""
