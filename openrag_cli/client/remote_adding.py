"""Sending files to a server, and waiting for its workers to index them."""

import json
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, BinaryIO

from openrag_cli import errors
from openrag_cli.client.connection import Connection
from openrag_cli.client.from_json import body_of, path_of, sha256_of
from openrag_cli.client.waiting import await_tasks
from openrag_cli.domain import File
from openrag_cli.ingest.report import Failure, Report

if TYPE_CHECKING:
    from openrag_cli.client.remote_engine import RemoteEngine
    from openrag_cli.ingest.naming import Source
    from openrag_cli.ingest.options import AddOptions
    from openrag_cli.ingest.report import Listener


class RemoteAdder:
    """One command that adds files: `send`, then `wait`, then `report` tells what was done."""

    def __init__(self, server: "RemoteEngine", connection: Connection, options: "AddOptions") -> None:
        self.report = Report()
        self._server = server
        self._connection = connection
        self._options = options
        self._pending: dict[str, Source] = {}

    @property
    def n_queued(self) -> int:
        """How many files the server has taken and is to index."""
        return len(self._pending)

    def send(self, sources: Iterable["Source"], should_stop: Callable[[], bool]) -> None:
        """Send the files one by one; what is wrong with one is noted as its failure."""
        known = self._known()
        for source in sources:
            if should_stop():
                break
            try:
                task_id = self._upload(source, known.get(source.file_id))
            except (errors.InvalidInput, errors.Conflict, errors.NotFound, errors.IngestError) as exc:
                code = exc.reason if isinstance(exc, errors.IngestError) else exc.code
                self.report.failures.append(Failure(source.file_id, source.shown, None, code, exc.message, exc.hint))
            else:
                self._pending |= {task_id: source} if task_id else {}

    def _upload(self, source: "Source", known: File | None) -> str | None:
        """Send one file; return its task, or None when there was nothing to do."""
        from openrag_cli.ingest.options import IfExists
        from openrag_cli.ingest.stable_read import user_file_errors

        options = self._options
        path = path_of("indexer", "partition", options.partition, "file", source.file_id)
        with user_file_errors(source.path), source.path.open("rb") as stream:
            if known and (options.if_exists is IfExists.SKIP or sha256_of(stream) == known.sha256):
                self.report.unchanged += 1
                return None
            stream.seek(0)
            method = "PUT" if known and options.if_exists is IfExists.REPLACE else "POST"
            answer = self._connection.send(
                method,
                path,
                files={"file": (source.filename, stream)},
                data={
                    "metadata": json.dumps(options.metadata),
                    "batch": options.batch,
                    "modified_at": _modified_at(stream),
                },
            )
        return str(body_of(answer)["task_status_url"]).rsplit("/", 1)[1]

    def wait(self, listener: "Listener", should_stop: Callable[[], bool]) -> None:
        """Wait until every file is indexed, or has failed; `listener` is told of each one."""
        pending = {task_id: source.shown for task_id, source in self._pending.items()}
        await_tasks(self._server, pending, self.report, listener=listener, should_stop=should_stop)

    def _known(self) -> dict[str, File]:
        try:
            return {file.file_id: file for file in self._server.files(self._options.partition)}
        except errors.NotFound:
            return {}


def _modified_at(stream: BinaryIO) -> str:
    """Return when an open file was last changed, RFC 3339; empty where its file system does not say."""
    from openrag_cli.ingest.stable_read import changed_at

    found = changed_at(os.fstat(stream.fileno()).st_mtime_ns)
    return found.isoformat() if found else ""
