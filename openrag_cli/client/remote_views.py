"""The named views of a server: what `Engine.views` is here."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from openrag_cli.client.connection import Connection
from openrag_cli.client.from_json import path_of
from openrag_cli.store.searching.views import View


class RemoteViews:
    """The views of the store behind a server; see `Views`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> list[View]:
        """Return every view, by name."""
        return [_view(entry) for entry in self._connection.get("/views")["views"]]

    def get(self, name: str) -> View:
        """Return one view. Raises: ViewNotFound."""
        return _view(self._connection.get(path_of("views", name)))

    def create(self, name: str, partitions: Sequence[str], condition: str = "") -> View:
        """Make a view. Raises: InvalidInput, PartitionNotFound, Conflict."""
        body = {"view": name, "partitions": list(partitions), "filter": condition}
        return _view(self._connection.json("POST", "/views", json=body))

    def delete(self, name: str) -> None:
        """Delete a view; its files stay. Raises: ViewNotFound."""
        self._connection.send("DELETE", path_of("views", name))


def _view(entry: dict[str, Any]) -> View:
    created_at = datetime.fromisoformat(entry["created_at"])
    return View(entry["view"], tuple(entry["partitions"]), entry["filter"], created_at)
