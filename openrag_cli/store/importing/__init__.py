"""What is remembered of partitions that are being imported, until all of one is there.

May import: the rest of `store` and what lies below. Begin with `imports.py`.
"""
