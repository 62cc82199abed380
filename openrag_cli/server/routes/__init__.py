"""The routes, one module for each resource.

May import: what `server` may. Begin with `search.py`.
"""
