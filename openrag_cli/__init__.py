"""openrag: index documents, search them, and get answers that can be checked.

    import openrag_cli

    with openrag_cli.open("store", create=True) as library:
        library.add("handbook")
        for hit in library.search("rotate keys", k=5):
            print(hit.file.file_id, hit.chunk.span.text)

What `__all__` names is public (docs/library.md); the command line and the HTTP server are edges on the same engine.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openrag_cli.client.opening import open  # noqa: A004 - openrag_cli.open, as gzip.open
    from openrag_cli.domain import Chunk, Document, File, Hit, Partition, Passage, Session, Task, TaskState, Turn
    from openrag_cli.errors import OpenRAGError
    from openrag_cli.ingest.report import Report
    from openrag_cli.library.answers import Answer
    from openrag_cli.library.conversation import Conversation
    from openrag_cli.library.library import Library
    from openrag_cli.retrieval.request import SearchRequest
    from openrag_cli.retrieval.retriever import Extract

__version__ = "0.2.0"

__all__ = [
    "Answer",
    "Chunk",
    "Conversation",
    "Document",
    "Extract",
    "File",
    "Hit",
    "Library",
    "OpenRAGError",
    "Partition",
    "Passage",
    "Report",
    "SearchRequest",
    "Session",
    "Task",
    "TaskState",
    "Turn",
    "__version__",
    "open",
]

_HOMES = {
    "client.opening": ("open",),
    "domain": ("Chunk", "Document", "File", "Hit", "Partition", "Passage", "Session", "Task", "TaskState", "Turn"),
    "errors": ("OpenRAGError",),
    "ingest.report": ("Report",),
    "library.answers": ("Answer",),
    "library.conversation": ("Conversation",),
    "library.library": ("Library",),
    "retrieval.request": ("SearchRequest",),
    "retrieval.retriever": ("Extract",),
}
"""Where each public name lives: it is imported when it is first asked for."""


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"openrag_cli.{home}"), name)
    raise AttributeError(f"module 'openrag_cli' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
