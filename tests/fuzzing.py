"""What an outsider hands us, made up: bodies, forms, filters, metadata, manifests, exports, session lines.

Each target takes the `World` and hypothesis' data, and fails on an answer of 5xx, an exit of 70, or an error that is not
one of ours. Run by `test_fuzz.py` for seconds and by `benchmarks/fuzz.py` for hours.
"""

import contextlib
import copy
import hashlib
import io
import json
import shutil
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from harness import open_engine, put
from httpx import InvalidURL
from hypothesis import strategies as st
from starlette.testclient import TestClient

from openrag_cli.cli import main
from openrag_cli.cli.exit_codes import ExitCode
from openrag_cli.errors import OpenRAGError
from openrag_cli.maintenance.restore import restore
from openrag_cli.retrieval import filters
from openrag_cli.server.app import create_app

ODD_TEXT = st.text(max_size=40) | st.sampled_from(
    ["", " ", "\0", "\ud800", "\u202e", "../../x", "/etc/passwd", "NaN", "1e999", "9" * 400, "a" * 5000, "p", "all"]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | ODD_TEXT
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ODD_TEXT, inner, max_size=4), max_leaves=12
)
DEEP = st.integers(1, 20_000).map(lambda n: "[" * n + "]" * n)
CHAT = {
    "model": "openrag-all", "messages": [{"role": "user", "content": "how heavy is the pump?"}], "temperature": 0.5,
    "max_tokens": 10, "stream": False, "stop": ["x"], "n": 1, "metadata": {"use_map_reduce": False}, "top_p": 1,
}  # fmt: skip
SEARCHED = {
    "partitions": ["p"], "file_ids": ["a.md"], "top_k": 3, "mode": "hybrid", "min_score": 0.1, "per_file": 1,
    "filter": "year = 1", "collapse": True,
}  # fmt: skip
BODIES = {
    "POST /v1/chat/completions": CHAT,
    "POST /v1/completions": {"model": "openrag-p", "prompt": "how heavy is the pump?", "max_tokens": 5, "stream": False},
    "POST /v1/embeddings": {"model": "x", "input": ["pump"], "encoding_format": "float", "dimensions": 384},
    "POST /v1/responses": {
        "model": "openrag-p", "input": [{"role": "user", "content": [{"type": "input_text", "text": "how heavy?"}]}],
        "instructions": "be short", "stream": False, "max_output_tokens": 5, "openrag": {"filter": "year = 1", "top_k": 2},
    },
    "POST /answers": {
        "messages": CHAT["messages"], "search": SEARCHED, "model": "x", "is_extractive": True,
    },
    "POST /sessions": {"session": "s", "partitions": ["p"]},
    "POST /sessions/s": {"question": "q", "answer": "a", "citations": [{"n": 1}], "replaces_last": False},
    "PATCH /sessions/s": {"session": "s"},
    "POST /indexer/partition/p/delete": {"file_ids": ["none.md"]},
    "POST /indexer/partition/p/rename": {"file_id": "none.md", "new_id": "other.md"},
    "POST /indexer/partition/p/refresh": {"file_ids": ["a.md"], "is_outdated": True, "is_dry_run": False},
    "POST /indexer/partition/p/sync/end": {"source": "0" * 32, "label": "docs", "is_stopped": True, "is_resuming": False},
    "POST /views": {"view": "v", "partitions": ["p"], "filter": "year = 1"},
    "POST /grep": {"pattern": "pump", "partitions": ["p"], "file_ids": ["a.md"], "filter": "", "n_context": 1},
    "POST /indexer/prune": {"older_than_s": 5.0, "states": ["FAILED"]},
}  # fmt: skip
"""A good body of every route that takes JSON; a route that is not here fails a test."""

QUERIES = {
    "/search": (
        "text", "partitions", "top_k", "filter", "filter_params", "mode", "min_score", "per_file", "collapse", "context",
    ),
    "/search/partition/p": ("text", "top_k", "filter", "mode", "min_score", "per_file", "collapse", "context"),
    "/search/partition/p/file/a.md": ("text", "top_k", "filter", "mode", "min_score", "context"),
    "/partition/p": ("limit", "offset", "after", "filter"),
    "/partition/p/chunks": ("limit", "offset", "after"),
    "/partition/p/keys": ("limit",),
    "/queue/tasks": ("task_status", "limit", "after"),
    "/indexer/task/0/logs": ("max_lines",),
    "/extract/0": ("context",),
    "/sessions": ("limit", "after"),
    "/views": (),
    "/partition/p/content/a.md": (),
}  # fmt: skip
PLACES = (
    "/partition/{}", "/partition/check-file/p/file/{}", "/partition/p/file/{}", "/partition/p/content/{}",
    "/partition/p/text/{}", "/search/partition/{}", "/extract/{}", "/indexer/task/{}", "/indexer/task/{}/logs",
    "/sessions/{}", "/views/{}", "/v1/models/{}",
)  # fmt: skip
WORDS = st.sampled_from(
    ["year", ">=", "=", "!=", "<", "contains", "in", "exists", "(", ")", ",", "and", "or", "not", "null", "true", "2024",
     "1e400", "-0", '"x"', "'x'", "`a b`", "file_id", '"\\', "\0", "\u202e", "é"]
)  # fmt: skip

CHAT_COMMANDS = ["/sources", "/open", "/partition", "/model", "/retry", "/save", "/help", "/quit", "/nonsense", "/"]


class World:
    """A store with one document, a server on it, an export and a backup of it; all in `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.engine = open_engine(root / "store")
        put(self.engine, "p", "a.md", "# Pump\n\nThe pump weighs 40 kg.\n")
        with contextlib.suppress(AttributeError):
            self.engine.drain()
        self.engine.close()
        self.cli("task", "run")
        assert self.cli("export", "-p", "p", "-o", str(root / "export")) == 0
        assert self.cli("backup", str(root / "backup.tar")) == 0
        self.engine = open_engine(root / "store")
        app = create_app(self.engine)
        self.client = TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)
        self.client.__enter__()

    def close(self) -> None:
        """End the server."""
        self.client.__exit__(None, None, None)
        self.engine.close()

    def cli(self, *arguments: str) -> int:
        """Run a command on the store."""
        return main.run(["--store", str(self.root / "store"), "-q", *arguments])


def changed(draw: Callable[[Any], Any], value: Any) -> Any:
    """Return a copy of a JSON value with some of its parts replaced, removed or doubled."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        place, parent, key = value, None, None
        while isinstance(place, dict | list) and place and draw(st.booleans()):
            parent, key = (
                place,
                draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place)))),
            )
            place = parent[key]
        if parent is None:
            if isinstance(value, dict):
                value[draw(ODD_TEXT)] = draw(VALUES)
        elif draw(st.integers(0, 4)) == 0:
            del parent[key]
        else:
            parent[key] = draw(VALUES)
    return draw(VALUES) if draw(st.integers(0, 15)) == 0 else value


def encoded(value: Any) -> str:
    """Return JSON that any writer may make: NaN, lone surrogates and all."""
    return json.dumps(value)


def bodies(world: World, draw: Callable[[Any], Any]) -> None:
    """JSON bodies of every route that takes one."""
    route = draw(st.sampled_from(sorted(BODIES)))
    method, path = route.split(" ")
    text = draw(st.one_of(st.just(None), DEEP))
    content = (text or encoded(changed(draw, BODIES[route]))).encode()
    if draw(st.integers(0, 9)) == 0:
        content = draw(st.binary(max_size=200))
    kind = {"content-type": "application/json"}
    answered(world.client.request(method, path, content=content, headers=kind), route, content)


def queries(world: World, draw: Callable[[Any], Any]) -> None:
    """Parameters of the routes that read, names in their paths, and ranges of originals."""
    path = draw(st.sampled_from([*QUERIES, *PLACES]))
    names = draw(st.lists(st.sampled_from(QUERIES.get(path) or ("limit",)), max_size=4))
    given = {
        name: draw(ODD_TEXT | SCALARS.map(str) | st.sampled_from(["1", "pump", "p", "hybrid", "1e400"]))
        for name in names
    }
    path = path.format(quote(draw(ODD_TEXT), safe=draw(st.sampled_from(["", "/"])), errors="surrogatepass"))
    headers = {"range": draw(st.from_regex(r"bytes=[-0-9,]{0,30}", fullmatch=True))} if draw(st.booleans()) else {}
    with contextlib.suppress(UnicodeEncodeError, InvalidURL):  # the client's own
        answered(world.client.get(path, params=given, headers=headers), path, repr(given).encode())


def forms(world: World, draw: Callable[[Any], Any]) -> None:
    """Multipart forms of uploads, whole and broken, with metadata of every kind."""
    name = draw(ODD_TEXT).encode("utf-8", "surrogatepass")
    metadata = draw(st.one_of(VALUES.map(encoded), DEEP, ODD_TEXT)).encode("utf-8", "surrogatepass")
    content = (
        b'--B\r\nContent-Disposition: form-data; name="file"; filename="'
        + name
        + b'"\r\nContent-Type: text/plain\r\n\r\n'
        b'hello\r\n--B\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n' + metadata + b"\r\n--B--\r\n"
    )
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(content)))
        content = content[:at] + draw(st.binary(max_size=8)) + content[at + draw(st.integers(0, 9)) :]
    kind = draw(
        st.sampled_from(
            ["multipart/form-data; boundary=B", "multipart/form-data", "text/plain", "multipart/x; boundary=\xff"]
        )
    )
    method = draw(st.sampled_from(["POST", "PUT", "PATCH"]))
    path = "/indexer/partition/p/file/f.md"
    answered(
        world.client.request(method, path, content=content, headers={"content-type": kind.encode("latin-1")}),
        path,
        content,
    )


def listings(world: World, draw: Callable[[Any], Any]) -> None:
    """Listings of a client's folder, and how it is to be synced."""
    order = {"source": "0" * 32, "label": "docs", "batch": "0" * 48, "max_delete": "20%", "prefix": None, "gone": []}
    entry = ["a.md", 10, 1, None]
    lines = draw(
        st.lists(st.just(encoded(entry)) | DEEP | ODD_TEXT | st.builds(lambda: encoded(changed(draw, entry))))
    )
    listing = "\n".join(lines).encode("utf-8", "surrogatepass")
    options = draw(st.just("") | ODD_TEXT) or encoded(changed(draw, order))
    path = "/indexer/partition/q/sync"
    sent = {"data": {"options": options.encode("utf-8", "surrogatepass")}, "files": {"file": ("listing", listing)}}
    answered(world.client.post(path, **sent), path, listing + options.encode("utf-8", "surrogatepass"))


def conditions(world: World, draw: Callable[[Any], Any]) -> None:
    """Filters, as text and as a query parameter."""
    text = draw(st.lists(WORDS | ODD_TEXT, max_size=12).map(" ".join))
    with contextlib.suppress(OpenRAGError):
        filters.evaluate(filters.parse(text), {"year": 2024, "tag": ["x"], "a b": None})
    with contextlib.suppress(UnicodeEncodeError):  # the client's own
        answered(world.client.get("/search", params={"text": "pump", "filter": text}), "/search", text.encode())


def metadata(world: World, draw: Callable[[Any], Any]) -> None:
    """Metadata of the command line."""
    pair = draw(st.tuples(ODD_TEXT, st.one_of(VALUES.map(encoded), ODD_TEXT, DEEP))).__iter__()
    ran(world, "file", "edit", "a.md", "-p", "p", "-m", "=".join(pair).replace("\0", ""))


def exports(world: World, draw: Callable[[Any], Any]) -> None:
    """Exports whose lines, head or vectors were changed, with hashes that fit."""
    folder = world.root / "changed"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(world.root / "export", folder)
    name = draw(st.sampled_from(["documents.jsonl", "chunks.jsonl", "partition.json", "vectors.parquet"]))
    target = folder / name
    if name == "vectors.parquet":
        content = bytearray(target.read_bytes())
        for _ in range(draw(st.integers(1, 4))):
            content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
        target.write_bytes(content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content)
    elif name == "partition.json":
        target.write_text(
            draw(st.one_of(st.just(""), DEEP)) or encoded(changed(draw, json.loads(target.read_text())))
        )
    else:
        lines = [encoded(changed(draw, json.loads(line))) for line in target.read_text().splitlines()]
        target.write_text("\n".join([*lines, *draw(st.lists(DEEP, max_size=1))]) + "\n")
    with contextlib.suppress(KeyError, TypeError, ValueError, RecursionError, OSError):
        head = json.loads((folder / "partition.json").read_text())
        for one in head["sha256"]:
            head["sha256"][one] = hashlib.sha256((folder / one).read_bytes()).hexdigest()
        (folder / "partition.json").write_text(encoded(head))
    ran(world, "import", str(folder), "-p", "again")
    ran(world, "partition", "delete", "again", "--yes")


def manifests(world: World, draw: Callable[[Any], Any]) -> None:
    """Backups whose manifest or bytes were changed: refused with one of our errors, and nothing left behind."""
    made = io.BytesIO()
    with tarfile.open(world.root / "backup.tar") as source, tarfile.open(fileobj=made, mode="w") as target:
        for member in source:
            stream = source.extractfile(member)
            content = stream.read() if stream else b""
            if member.name == "manifest.json":
                text = draw(st.one_of(st.just(""), DEEP)) or encoded(changed(draw, json.loads(content)))
                content = text.encode()
            member.size = len(content)
            target.addfile(member, io.BytesIO(content))
    content = bytearray(made.getvalue())
    for _ in range(draw(st.integers(0, 2))):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    store = world.root / "restored"
    try:
        restore(io.BytesIO(bytes(content)), store)
    except OpenRAGError:
        assert not store.exists(), "something was left behind"
    shutil.rmtree(store, ignore_errors=True)


def sessions(world: World, draw: Callable[[Any], Any]) -> None:
    """Names of sessions, and what is done with them."""
    name = draw(ODD_TEXT).replace("\0", "")
    for words in (("session", "show"), ("session", "export"), ("session", "delete", "--yes")):
        ran(world, *words, "--", name)
    with contextlib.suppress(OpenRAGError):
        world.engine.sessions.open(name, ("p",))
        world.engine.sessions.rename(name, draw(ODD_TEXT))


def chats(world: World, draw: Callable[[Any], Any]) -> None:
    """Lines of a conversation from a pipe: questions, commands and bytes of any kind; and a question to `ask`."""
    command = st.tuples(st.sampled_from(CHAT_COMMANDS), st.integers() | ODD_TEXT).map(
        lambda pair: f"{pair[0]} {pair[1]}"
    )
    line = st.one_of(command, ODD_TEXT, st.just("how heavy is the pump?")).map(
        lambda text: text.encode("utf-8", "surrogatepass")
    )
    content = b"\n".join(draw(st.lists(line | st.binary(max_size=20), max_size=6)))
    words = draw(st.sampled_from([("chat", "-p", "p"), ("chat", "--continue"), ("ask", "-", "-p", "p")]))
    given, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(content), "utf-8", "surrogateescape")
    try:
        ran(world, *words, *draw(st.sampled_from([(), ("--json",)])))
    finally:
        sys.stdin = given


def answered(response: Any, path: str, content: bytes) -> None:
    """Check that the server blamed the caller, or obeyed."""
    assert response.status_code < 500, (response.status_code, path, content[:2000], response.text[:500])


def ran(world: World, *arguments: str) -> None:
    """Check that a command ended with another code than that of a bug."""
    assert world.cli(*arguments) != ExitCode.BUG, arguments


TARGETS = (bodies, queries, forms, listings, conditions, metadata, exports, manifests, sessions, chats)
