"""openrag: index documents, search them, and get answers that can be checked.

The command line (`openrag`) and the HTTP server are two thin edges on `openrag_cli.engine.Engine`.
"""

__version__ = "0.1.0"
