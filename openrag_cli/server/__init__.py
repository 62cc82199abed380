"""The HTTP API: a thin edge on the engine, as `cli` is on the command line.

May import: everything but `cli`. Begin with `app.py`; the routes are in `routes/`.
"""
