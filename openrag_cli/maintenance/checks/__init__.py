"""What doctor looks at besides the content of a store.

May import: what `maintenance` may. Begin with `surroundings.py`.
"""
