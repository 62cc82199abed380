"""A request to every route that there is, for matrices over all of them; a route without one fails them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx


@dataclass(frozen=True)
class Place:
    """What a store has for the requests: names as they are, tasks that completed and failed, a chunk, a session."""

    partition: str
    file_id: str
    completed: str
    failed: str
    chunk: str
    session: str
    text: str = "pump"
    """What is searched, asked and said."""


@dataclass(frozen=True)
class Asked:
    """One request; `route` is the method and the path of the document."""

    route: str
    path: str
    options: dict[str, Any] = field(default_factory=dict)


def _bodies(place: Place) -> dict[str, list[dict[str, Any]]]:
    """Return what is sent to the routes that are more than a GET, those that harm last."""
    text = place.text
    model = f"openrag-{place.partition}"
    search = {"partitions": [place.partition]}
    chat = {"model": model, "messages": [{"role": "user", "content": text}]}
    return {
        "POST /v1/chat/completions": [chat, {**chat, "stream": True}, {**chat, "model": text}, {"messages": text}],
        "POST /v1/completions": [{"model": model, "prompt": text}, {"model": model, "prompt": text, "stream": True}],
        "POST /v1/embeddings": [{"model": "x", "input": text}, {"model": "x", "input": text, "dimensions": text}],
        "POST /v1/responses": [
            {"model": model, "input": text},
            {"model": model, "input": text, "stream": True},
            {"model": model, "input": [{"type": text}]},
        ],
        "POST /answers": [
            {"messages": chat["messages"], "search": search},
            {"messages": chat["messages"], "search": search, "is_extractive": True},
            {"messages": chat["messages"], "search": {"partitions": [text]}},
        ],
        "POST /grep": [
            {"pattern": text, "partitions": [place.partition]},
            {"pattern": "(", "partitions": [place.partition]},
            {"pattern": text, "partitions": [text]},
            {"pattern": text, "filter": text, "n_context": text},
        ],
        "POST /sessions": [{"session": place.session, "partitions": [place.partition]}, {"session": text}],
        "POST /sessions/{name}": [{"question": text, "answer": text, "citations": [{"text": text}]}, {"question": 1}],
        "PATCH /sessions/{name}": [{"session": text}],
        "POST /indexer/partition/{partition}/rename": [
            {"file_id": place.file_id, "new_id": text},
            {"file_id": text, "new_id": "other.md"},
        ],
        "POST /indexer/partition/{partition}/refresh": [
            {"file_ids": [place.file_id, text], "is_dry_run": True},
            {"file_ids": [place.file_id, text]},
        ],
        "POST /views": [
            {"view": "v", "partitions": [place.partition]},
            {"view": text},
            {"view": "w", "filter": text},
        ],
        "POST /indexer/partition/{partition}/sync/end": [{"source": "0" * 32, "label": text}, {"source": text}],
        "POST /indexer/partition/{partition}/delete": [{"file_ids": [text]}],
        "POST /indexer/prune": [{"older_than_s": 1e9, "states": ["FAILED"]}, {"states": [text]}],
    }


FORMS = (
    "POST /indexer/partition/{partition}/file/{file_id}",
    "PUT /indexer/partition/{partition}/file/{file_id}",
    "PATCH /indexer/partition/{partition}/file/{file_id}",
)
SYNC = "POST /indexer/partition/{partition}/sync"
SYNCED = "PUT /indexer/partition/{partition}/sync/{source}/file/{file_id}"
PLAIN = (
    "POST /queue/run",
    "DELETE /views/{name}",
    "POST /indexer/task/{task_id}/retry",
    "DELETE /indexer/task/{task_id}",
    "POST /partition/{partition}",
    "DELETE /sessions/{name}",
    "DELETE /indexer/partition/{partition}/file/{file_id}",
    "DELETE /partition/{partition}",
)
"""What is asked without a body, at the end, for it leaves nothing behind."""


def every_request(client: httpx.Client, place: Place) -> Iterator[Asked]:
    """Yield requests to every route of the server's own document; each is to be answered before the next is taken."""
    document = client.get("/openapi.json").json()["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in document.items() for method in methods}
    bodies = _bodies(place)
    known = {*bodies, *FORMS, SYNC, SYNCED, *PLAIN, *(route for route in routes if route.startswith("GET "))}
    assert routes == known, f"add them to the matrix: {routes - known}; they are gone: {known - routes}"
    yield from _gets(sorted(routes), place)
    for route, sent in bodies.items():
        for body in sent:
            yield from (Asked(route, path, {"json": body}) for path in _paths(route, place))
    yield from _forms(place)
    for route in PLAIN:
        yield from (Asked(route, path) for path in _paths(route, place))


def _gets(routes: list[str], place: Place) -> Iterator[Asked]:
    said = {"text": place.text}
    for route in (route for route in routes if route.startswith("GET ")):
        for path in _paths(route, place):
            yield Asked(route, path, {"params": said if "/search" in route else {}})
            yield Asked(
                route, path, {"params": {**said, "filter": place.text, "limit": place.text, "after": place.text}}
            )
    for path in ("/docs", "/redoc", "/openapi.json", f"/{quote(place.text, safe='')}"):
        yield Asked("GET", path)


def _forms(place: Place) -> Iterator[Asked]:
    for route in FORMS:
        for path in _paths(route, place):
            for metadata in ("{}", '{"_id": 1}', place.text):
                files = {} if route.startswith("PATCH") else {"files": {"file": (place.text, b"text")}}
                yield Asked(route, path, {"data": {"metadata": metadata}, **files})
    order = {"source": "0" * 32, "label": place.text, "batch": "0" * 48, "is_dry_run": True}
    for path in _paths(SYNC, place):
        for options in (json.dumps(order), json.dumps({**order, "prefix": place.text}), place.text):
            for listing in (json.dumps([place.text, 1, 1, None]), json.dumps([place.text]), place.text):
                yield Asked(SYNC, path, {"data": {"options": options}, "files": {"file": ("l", listing.encode())}})
    for path in _paths(SYNCED, place):
        for batch in ("0" * 48, place.text):
            data = {"label": place.text, "batch": batch, "mtime_ns": "1"}
            yield Asked(SYNCED, path, {"data": data, "files": {"file": (place.text, b"text")}})


def _paths(route: str, place: Place) -> list[str]:
    """Return the paths of a route with the names of the store, and with names that it does not have."""
    path = route.split(" ")[1]
    names = {
        "partition": place.partition, "file_id": place.file_id, "extract_id": place.chunk, "name": place.session,
        "model_id": f"openrag-{place.partition}", "source": "0" * 32,
    }  # fmt: skip
    if "{" not in path:
        return [path]
    found = [
        names | {"task_id": task} for task in ((place.completed, place.failed) if "{task_id}" in path else ("",))
    ]
    if not route.startswith("DELETE /partition"):
        found.append(dict.fromkeys([*names, "task_id"], place.text))
    return [path.format(**{key: quote(one, safe="") for key, one in values.items()}) for values in found]
