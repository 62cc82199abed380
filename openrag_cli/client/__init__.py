"""The engine of another machine, over HTTP.

May import: contract and what lies below. Begin with `remote_engine.py`.
"""
