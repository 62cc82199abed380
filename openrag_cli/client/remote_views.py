"""The named views of a server: what `Engine.views` is here."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from typing_extensions import override

from openrag_cli.client.connection import Connection
from openrag_cli.client.from_json import path_of
from openrag_cli.library.kept import KeptViews
from openrag_cli.store.searching.views import View


class RemoteViews(KeptViews):
    """The views of the store behind a server; see `Views`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @override
    def all(self) -> list[View]:
        return [_view(entry) for entry in self._connection.get("/views")["views"]]

    @override
    def get(self, name: str) -> View:
        return _view(self._connection.get(path_of("views", name)))

    @override
    def create(self, name: str, partitions: Sequence[str], condition: str = "") -> View:
        body = {"view": name, "partitions": list(partitions), "filter": condition}
        return _view(self._connection.json("POST", "/views", json=body))

    @override
    def delete(self, name: str) -> None:
        self._connection.send("DELETE", path_of("views", name))


def _view(entry: dict[str, Any]) -> View:
    created_at = datetime.fromisoformat(entry["created_at"])
    return View(entry["view"], tuple(entry["partitions"]), entry["filter"], created_at)
