"""The library of another machine, over HTTP, and what opens either.

May import: contract and what lies below. Begin with `remote_engine.py`.
"""
