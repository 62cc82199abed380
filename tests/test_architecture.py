"""The layers, as the code has them: who imports whom, and which module owns which library."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "openrag_cli"

LAYERS = {
    "kernel": "domain errors config config_values faults chunk outline wordpiece metrics filters snippet "
    "answer citation conversation prompt sentences sync_plan",
    "adapter": "database catalog folders taskqueue tasks blobs durable index lance_errors standin embed convert formats "
    "readers readers_archive readers_mail readers_markup readers_pdf readers_table text_encoding sandbox sandbox_child "
    "sandbox_protocol ignore llm sessions config_file parquet",
    "service": "ingest retrieve worker adding uploads intake mend passages extractive chat doctor backup "
    "rehearsal exchange steady scan sync",
    "facade": "parts engine care remote remote_shapes",
    "edge": "main __main__ complete contract manual helptext hints shells topics output answer_view render exits commands "
    "server",
}
RANK = {module: rank for rank, names in enumerate(LAYERS.values()) for module in names.split()}

OWNERS = {
    "sqlite3": {
        "database",
        "catalog",
        "taskqueue",
        "folders",
        "sessions",
    },  # all but the first only name its row and connection types
    "lancedb": {"index"},
    "pyarrow": {"index", "parquet"},
    "onnxruntime": {"embed"},
    "tokenizers": {"embed"},
    "semantic_text_splitter": {"chunk"},
    "markitdown": {"readers_markup"},
    "pypdfium2": {"readers_pdf"},
    "openpyxl": {"readers_table"},
    "xlrd": {"readers_table"},
    "charset_normalizer": {"text_encoding"},
    "pathspec": {"ignore"},
    "platformdirs": {"config"},
    "rich": {"output", "answer_view"},
    "httpx": {"remote", "remote_shapes", "llm"},
    "prometheus_client": {"server.metrics"},
    "uvicorn": {"server.run"},
    "ray": {"server.ray"},
    "tomlkit": {"config_file"},
    "prompt_toolkit": {"commands.prompt"},
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


def _own(name):
    return name.removeprefix("openrag_cli.") if name.startswith("openrag_cli.") else None


MODULES = [(name, tree) for name, tree in _modules() if name not in {"__init__", ""}]


@pytest.mark.parametrize(("name", "tree"), MODULES, ids=[name for name, _ in MODULES])
def test_imports_go_down_only(name, tree):
    mine = RANK[name.split(".")[0]]
    for imported in filter(None, map(_own, _imports(tree))):
        top = imported.split(".")[0]
        if top == "__version__":
            continue
        assert RANK[top] <= mine, f"{name} imports {imported}, which is above it"


def test_the_two_edges_meet_only_where_the_command_line_starts_the_server():
    for name, tree in MODULES:
        for imported in filter(None, map(_own, _imports(tree))):
            if name.startswith("commands.") and imported.startswith("server"):
                assert name == "commands.serve"
            if name.startswith("server."):
                assert not imported.startswith(("commands", "main", "output")), f"{name} imports {imported}"


@pytest.mark.parametrize("library", OWNERS)
def test_a_library_is_imported_by_its_owner_alone(library):
    users = {name for name, tree in MODULES for imported in _imports(tree) if imported.split(".")[0] == library}
    assert users <= OWNERS[library], users - OWNERS[library]
    assert users


def test_only_the_configuration_reads_the_environment():
    readers = {
        name
        for name, tree in MODULES
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"} and ast.unparse(node.value) == "os"
    }
    assert readers == {"config", "sandbox"}  # the sandbox chooses what its children may see


def test_sql_lives_in_four_modules():
    with_sql = {
        name
        for name, tree in MODULES
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "SELECT " in node.value
    }
    assert with_sql <= {"catalog", "folders", "taskqueue", "tasks", "sessions"}
