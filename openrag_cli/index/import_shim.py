"""Importing a library without a package that it imports but that we never call: a stand-in takes its place, or nothing."""

import contextlib
import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Coroutine, Iterator, Mapping
from typing import Any, TypeVar

from openrag_cli.config.cpu import require_cpu
from openrag_cli.config.silence import silence_libraries, without_plugins

_TESTED = ((0, 40), (0, 41))
_REST_CLIENT = "lance_namespace_urllib3_client"
_OVERRIDES = "overrides"

Result = TypeVar("Result")


class _StandIn(types.ModuleType):
    """A module in which every name is an empty class."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class _StandInFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds a stand-in for the package `root` and for each of its submodules; `names` are in it beside empty classes."""

    def __init__(self, root: str, names: Mapping[str, Any]) -> None:
        self.root = root
        self.names = names

    def find_spec(self, fullname: str, *_: Any) -> importlib.machinery.ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder`."""
        if fullname.split(".", maxsplit=1)[0] != self.root:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """See `importlib.abc.Loader`."""
        module = _StandIn(spec.name)
        module.__dict__.update(self.names)
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing to run."""


@contextlib.contextmanager
def without_package(root: str, **names: Any) -> Iterator[None]:
    """While the block imports, let a stand-in with `names` answer for the package `root`, unless it is there already.

    Afterwards the stand-in is gone, and the real package can be imported.
    """
    if root in sys.modules:
        yield
        return
    finder = _StandInFinder(root, names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.split(".")[0] == root]:
            del sys.modules[name]


class _Refuser(importlib.abc.MetaPathFinder):
    """Finds nothing for the package `root`, as if it were not installed."""

    def __init__(self, root: str) -> None:
        self.root = root

    def find_spec(self, fullname: str, *_: Any) -> None:
        """See `importlib.abc.MetaPathFinder`."""
        if fullname.split(".", maxsplit=1)[0] == self.root:
            raise ModuleNotFoundError(f"{fullname} is not imported in this process", name=fullname)


def refuse_package(root: str) -> None:
    """From now on, let the package `root` be one that is not installed; for a process that is all ours."""
    if root not in sys.modules:
        sys.meta_path.insert(0, _Refuser(root))


def import_lancedb() -> Any:
    """Import lancedb, without the generated REST client that a local store never calls and checks of its own methods.

    `lance_namespace_urllib3_client` is more than half of lancedb's import time (0.40), and the urllib3 that it imports
    opens a socket to see whether there is IPv6; `overrides` takes a fifth of the rest, to compare signatures that
    lancedb's own tests compare as well. For the tested versions stand-ins take their places while lancedb is imported;
    any other version gets the plain import.

    Raises:
        ConfigError: this processor cannot run it.
    """
    if "lancedb" not in sys.modules:
        require_cpu()
        silence_libraries()
    if "lancedb" in sys.modules or not _is_tested_version():
        import lancedb

        return lancedb
    with (
        without_package(_REST_CLIENT),
        without_package(_OVERRIDES, override=lambda method: method),
        without_plugins(),
    ):
        import lancedb
    return lancedb


def _is_tested_version() -> bool:
    from importlib.metadata import version

    parts = tuple(int(part) for part in version("lancedb").split(".")[:2])
    return _TESTED[0] <= parts < _TESTED[1]


def asynchronous(table: Any) -> Any:
    """Return what a table of lancedb's does its work by: each of its own methods waits for several calls of this."""
    return table._table  # noqa: SLF001 - lancedb gives no other way from one to the other


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Return what some work on asynchronous tables gives; one change of threads, however many calls it makes."""
    from lancedb.background_loop import LOOP

    result: Result = LOOP.run(work)  # type: ignore[no-untyped-call]
    return result
