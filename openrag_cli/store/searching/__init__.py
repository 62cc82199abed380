"""What a search asks of the catalog: the files that are there, and in how many chunks each word stands.

May import: the rest of `store` and what lies below. Begin with `files.py`.
"""
