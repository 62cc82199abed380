"""The layers, as the code has them: who imports whom, and which module owns which library."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "openrag_cli"

ORDER = (
    "errors fsync terminal",
    "domain limits",
    "config",
    "failpoints access",
    "store",
    "documents",
    "inference",
    "index",
    "retrieval",
    "ingest matching",
    "sync",
    "answering",
    "evaluation",
    "maintenance",
    "contract",
    "wiring library",
    "engine",
    "client",
    "cli",
    "server",
)
"""A folder or a top module may import what stands above its row here, and its own row."""

RANK = {name: rank for rank, row in enumerate(ORDER) for name in row.split()}
UPWARD = {
    # The one command that starts the other edge: it parses options and hands over; nothing of the server is used else.
    ("cli.commands.serve", "server"),
}

OWNERS = {
    "sqlite3": {"store", "sync"},  # sync names its row and connection types alone
    "lancedb": {"index"},
    "pyarrow": {"index", "maintenance"},  # Parquet in exports
    "onnxruntime": {"inference"},
    "tokenizers": {"documents"},
    "semantic_text_splitter": {"documents"},
    "olefile": {"documents"},
    "cssselect": {"documents"},
    "lxml": {"documents"},
    "pypdfium2": {"documents"},
    "xlrd": {"documents"},
    "Stemmer": {"retrieval"},
    "charset_normalizer": {"documents"},
    "pathspec": {"ingest"},
    "platformdirs": {"config"},
    "rich": {"cli"},
    "watchfiles": {"sync"},
    "typer": {"cli"},
    "httpx": {"client", "answering"},
    "prometheus_client": {"server"},
    "fastapi": {"server"},
    "starlette": {"server"},
    "uvicorn": {"server"},
    "h11": {"server"},
    "pydantic": {"server"},
    "ray": {"server"},
    "tomlkit": {"config"},
    "prompt_toolkit": {"cli"},
}


def _modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        yield name.removesuffix(".__init__"), ast.parse(path.read_text())


def _imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "openrag_cli":
                yield from (f"openrag_cli.{alias.name}" for alias in node.names)
            else:
                yield node.module


def _room(module):
    return module.split(".")[0]


def _own_imports(tree):
    for imported in _imports(tree):
        if imported.startswith("openrag_cli.") and imported != "openrag_cli.__version__":
            yield imported.removeprefix("openrag_cli.")


MODULES = [(name, tree) for name, tree in _modules() if name not in {"__init__", "__main__"}]


def test_every_folder_and_top_module_has_its_row():
    assert len(ORDER) <= 20
    found = {_room(name) for name, _ in MODULES}
    assert found <= set(RANK), f"give it a row in ORDER: {found - set(RANK)}"
    assert set(RANK) - found <= {"limits"}


@pytest.mark.parametrize(("name", "tree"), MODULES, ids=[name for name, _ in MODULES])
def test_imports_go_down_only(name, tree):
    for imported in _own_imports(tree):
        if (name, _room(imported)) not in UPWARD:
            assert RANK[_room(imported)] <= RANK[_room(name)], f"{name} imports {imported}, which is above it"


def test_the_two_edges_do_not_import_each_other():
    for name, tree in MODULES:
        if _room(name) == "server":
            assert not [imported for imported in _own_imports(tree) if _room(imported) == "cli"], name


def test_no_two_folders_import_each_other():
    edges = {(_room(name), _room(imported)) for name, tree in MODULES for imported in _own_imports(tree)}
    pairs = {(one, other) for one, other in edges if one != other and (other, one) in edges}
    assert not pairs


def test_rooms_stay_small():
    for folder in {path.parent for path in PACKAGE.rglob("*.py")} - {
        PACKAGE / "cli" / "commands",
        PACKAGE / "server" / "routes",
    }:
        modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(modules) <= (9 if folder == PACKAGE else 14), folder
    long = [path for path in PACKAGE.rglob("*.py") if path.read_text().count("\n") > 400]
    assert not long


MAX_LINES = 50
"""Of a function, its docstring and all."""


@pytest.mark.parametrize(("name", "tree"), MODULES, ids=[name for name, _ in MODULES])
def test_functions_stay_short_and_say_what_they_do(name, tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < MAX_LINES, f"{name}: {node.name}"
            is_said = any(ast.unparse(one) == "override" for one in node.decorator_list)  # at the interface
            assert node.name.startswith("_") or is_said or ast.get_docstring(node), (
                f"{name}: {node.name} says nothing"
            )


BROAD = {
    "cli.main": "the last resort: a bug must not look like a mistake of the user",
    "documents.sandbox.child": "the boundary of one document's task",
    "ingest.pipeline": "the worker's boundary of a task",
    "documents.readers.base": "parsers raise anything on damaged bytes",
    "documents.chunking.token_count": "tokenizers raises bare Exception",
    "index.lance_errors": "a panic of LanceDB has a class that nobody can import",
}
"""Where any exception is caught, once each, and why; what only undoes something says `undoing`, or `finally`."""


def _catches_any(handler):
    names = (
        {part.id for part in ast.walk(handler.type) if isinstance(part, ast.Name)} if handler.type else {"Exception"}
    )
    return bool(names & {"Exception", "BaseException"})


def test_any_exception_is_caught_at_the_borders_alone():
    found = [
        name
        for name, tree in MODULES
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and _catches_any(node)
    ]
    assert sorted(found) == sorted(BROAD)


@pytest.mark.parametrize("library", OWNERS)
def test_a_library_is_imported_by_its_owner_alone(library):
    users = {_room(name) for name, tree in MODULES for imported in _imports(tree) if _room(imported) == library}
    assert users <= OWNERS[library], users - OWNERS[library]
    assert users


def test_only_the_configuration_reads_the_environment():
    readers = {
        name
        for name, tree in MODULES
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"} and ast.unparse(node.value) == "os"
    }
    # The sandbox chooses what its children may see.
    assert {_room(name) for name in readers - {"documents.sandbox.pool"}} == {"config"}


def test_sql_lives_in_the_store_and_beside_what_is_remembered_of_a_folder():
    with_sql = {
        name
        for name, tree in MODULES
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "SELECT " in node.value
    }
    assert {_room(name) for name in with_sql - {"sync.state"}} == {"store"}


# --- what the documentation says of it

PAGE = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_every_path_in_the_documentation_is_there():
    for path in re.findall(r"`([\w/]+(?:\.py|/))`", PAGE):
        base = PACKAGE.parent if path.startswith("tests/") else PACKAGE
        assert (base / path).exists(), path
    for path, name in re.findall(r"`([\w/]+\.py)` \(`(\w+)`\)", PAGE):
        tree = ast.parse((PACKAGE / path).read_text())
        names = {getattr(node, "name", None) for node in ast.walk(tree)}
        names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert name in names, f"{path} has no {name}"


def test_the_picture_has_every_folder():
    picture = PAGE.split("```mermaid")[1].split("```")[0]
    for name in RANK:
        assert re.search(rf"\b{name}\b", picture), name


def test_every_folder_says_what_it_is_and_what_it_may_import():
    for path in PACKAGE.rglob("__init__.py"):
        if path.parent == PACKAGE:
            continue
        text = ast.get_docstring(ast.parse(path.read_text())) or ""
        assert "May import" in text, path
        begin = re.search(r"Begin with `([\w.]+)`", text)
        assert begin, path
        assert (path.parent / begin[1]).exists(), path


NOUNS = PACKAGE / "contract" / "nouns"
KEYS = ("chunk_count", "stored_as", "document_metadata", "ordinal", "attempts", "task_state", "made_by")
"""Keys of files, tasks and chunks that are nothing else's."""


@pytest.mark.parametrize("key", KEYS)
def test_the_shapes_of_the_six_nouns_are_made_in_one_place(key):
    makers = set()
    for path in (
        *(PACKAGE / "contract").rglob("*.py"),
        *(PACKAGE / "server").rglob("*.py"),
        *(PACKAGE / "client").rglob("*.py"),
    ):
        for node in ast.walk(ast.parse(path.read_text())):
            is_key = isinstance(node, ast.Dict) and any(
                isinstance(one, ast.Constant) and one.value == key for one in node.keys
            )
            is_field = isinstance(node, ast.AnnAssign) and getattr(node.target, "id", None) == key
            is_schema = isinstance(node, ast.keyword) and node.arg == key and isinstance(node.value, ast.Name)
            if is_key or is_field or (is_schema and node.value.id.isupper()):
                makers.add(path.relative_to(PACKAGE))
    assert {path.parent.name for path in makers} <= {"nouns"}, makers
