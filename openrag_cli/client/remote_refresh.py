"""Reading files of a server again: the server queues them, the client waits; what `Engine.refresher` is here."""

import time
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from openrag_cli.client.connection import Connection
from openrag_cli.client.from_json import path_of
from openrag_cli.client.waiting import await_tasks
from openrag_cli.contract.nouns.file import LONG_AGO
from openrag_cli.domain import File
from openrag_cli.errors import PartitionNotFound
from openrag_cli.ingest.report import Failure, Report
from openrag_cli.library.kept import Refreshing

if TYPE_CHECKING:
    from openrag_cli.client.remote_engine import RemoteEngine
    from openrag_cli.ingest.refresh import RefreshRun

Json = dict[str, Any]
GROUP_FILES = 1000


class RemoteRefresher(Refreshing):
    """Finds the files of a server that are outdated, and has them read again; see `Refresher`."""

    def __init__(self, server: "RemoteEngine", connection: Connection) -> None:
        self._server = server
        self._connection = connection

    @override
    def count_outdated(self) -> int:
        return int(self._connection.get("/overview")["outdated"])

    @override
    def named(
        self, partition: str, file_ids: Sequence[str], *, is_outdated: bool = False
    ) -> tuple[list[File], list[Failure]]:
        body = self._asked(partition, file_ids, is_outdated=is_outdated, is_dry_run=True)
        files = [_named(entry) for entry in body["files"]]
        return files, [Failure(**entry) for entry in body["failures"]]

    def _asked(self, partition: str, file_ids: Sequence[str], **options: Any) -> Json:
        body = {"file_ids": list(file_ids), **options}
        return self._connection.json("POST", path_of("indexer", "partition", partition, "refresh"), json=body)

    def refresh_some(self, partition: str, n_files: int, run: "RefreshRun") -> Report:
        """Have up to `n_files` outdated files of a partition read again, none that has failed so before."""
        try:
            body = self._asked(partition, [], is_dry_run=True, most_untried=n_files)
        except PartitionNotFound:
            return Report()
        return self.refresh([_named(entry) for entry in body["files"]], run)

    @override
    def refresh(self, files: Sequence[File], run: "RefreshRun") -> Report:
        began = time.monotonic()
        report = Report()
        pending: list[str] = []
        for partition, owned in groupby(files, key=lambda file: file.partition):
            names = [file.file_id for file in owned]
            for at in range(0, len(names), GROUP_FILES):
                if run.should_stop():
                    break
                body = self._asked(partition, names[at : at + GROUP_FILES], batch=run.batch)
                report.failures += (Failure(**entry) for entry in body["failures"])
                report.unchanged += body["unchanged"]
                pending += body["task_ids"]
        run.on_queued(len(pending))
        if not run.is_detached:
            paths: dict[str, str | None] = dict.fromkeys(pending)
            await_tasks(self._server, paths, report, listener=run.listener, should_stop=run.should_stop)
        report.seconds = round(time.monotonic() - began, 3)
        return report


def _named(entry: Json) -> File:
    return File(entry["partition"], entry["file_id"], "", "", "", 0, "", {}, 0, LONG_AGO, LONG_AGO)
