"""Opening a store: who may read and write it, and how.

May import: what `store` may. Begin with `opening.py`.
"""
