"""What is true: SQLite (partitions, files, documents, tasks, sessions) and the stored originals.

May import: config, failpoints and what lies below them. Begin with `catalog.py`; the tables are in `schema/`.
"""
