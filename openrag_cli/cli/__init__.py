"""The command line: parse, render, translate errors.

May import: everything but the server, which `commands/serve.py` alone starts. Begin with `main.py`.
"""
