"""openrag as a Python library, and the engine of another machine, over HTTP.

May import: contract and what lies below. Begin with `library.py`.
"""
