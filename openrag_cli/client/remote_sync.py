"""Syncing a folder of this machine into a partition of a server: here it is scanned and read, there remembered and planned.

The server learns an id of the folder, its name and the paths below it; where it lies stays here.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from contextlib import nullcontext
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any

from openrag_cli import errors
from openrag_cli.client.from_json import body_of, path_of
from openrag_cli.client.roots import Roots
from openrag_cli.client.waiting import await_tasks
from openrag_cli.contract import sync_json
from openrag_cli.ingest.discovery import failure
from openrag_cli.ingest.naming import Source, readable
from openrag_cli.ingest.report import Failure, Report
from openrag_cli.ingest.stable_read import read_steadily
from openrag_cli.store.names import check_partition
from openrag_cli.sync.folder import scanned
from openrag_cli.sync.outcome import Reporter, SyncOptions, SyncOutcome, refusal, wanted_of
from openrag_cli.sync.prefix import prefix_refusal
from openrag_cli.sync.root import local_root
from openrag_cli.sync.scan import Scan, looked_at, read_contents

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from openrag_cli.client.connection import Connection
    from openrag_cli.client.remote_engine import RemoteEngine
    from openrag_cli.contract.sync_json import Planned
    from openrag_cli.ingest.report import Listener
    from openrag_cli.ingest.stable_read import FileState

IN_MEMORY_BYTES = 1 << 20
_NO_LIMIT = 1 << 62  # it is the server's, which is told the sizes


class RemoteSyncer:
    """One sync of one folder to one server."""

    def __init__(self, server: RemoteEngine, connection: Connection, options: SyncOptions) -> None:
        self._server = server
        self._connection = connection
        self._options = options
        self._roots = Roots()
        self._label = local_root(options.folder).source.label
        self._path = path_of("indexer", "partition", check_partition(options.partition), "sync")
        self._id = ""

    def run(
        self, on_queued: Callable[[int], None], listener: Listener, should_stop: Callable[[], bool]
    ) -> SyncOutcome:
        """Sync; see `Engine.sync` for the callbacks and errors."""
        began = time.monotonic()
        options = self._options
        lock = self._roots.lock(options.folder, self._connection.address, options.partition, options.lock_timeout_s)
        with nullcontext() if options.is_dry_run else lock:
            scan = scanned(options, own=None, max_bytes=_NO_LIMIT, listener=listener)
            self._id = self._roots.identify(options.folder, is_kept=not options.is_dry_run)
            planned = self._planned(scan, should_stop, listener)
            told = Reporter(options, scan, planned.plan, planned.prefix)
            if options.is_dry_run:
                return told.preview(self._here(planned.failed, scan))
            if not planned.is_applied:
                raise refusal(options, planned.plan, scan) or errors.UpstreamError("the server did not do its part")
            report = self._read(planned, scan, on_queued, listener, should_stop)
            if planned.is_open:
                end = {"is_stopped": should_stop(), "is_resuming": planned.is_resuming}
                self._connection.send(
                    "POST", f"{self._path}/end", json={"source": self._id, "label": self._label, **end}
                )
            planned.busy, planned.failed = self._here(planned.busy, scan), self._here(planned.failed, scan)
            outcome = told.outcome(report, planned)
        outcome.report.seconds = round(time.monotonic() - began, 3)
        return outcome

    def _here(self, failures: list[Failure], scan: Scan) -> list[Failure]:
        """Return failures with the paths of this machine."""
        return [
            replace(one, path=readable(str(scan.sources[one.file_id].path))) if one.file_id in scan.sources else one
            for one in failures
        ]

    # --- planning

    def _planned(self, scan: Scan, should_stop: Callable[[], bool], listener: Listener) -> Planned:
        """Return the server's plan for what the folder has, once all is read that it wants to be; ids are then complete."""
        planned = self._asked(scan)
        while planned.to_hash:
            wanted = [one.removeprefix(planned.prefix) for one in planned.to_hash]
            read_contents(scan, wanted, should_stop, listener)
            planned = self._asked(scan)
        if planned.is_taken:
            raise prefix_refusal(planned.prefix, self._options.folder, self._options.partition)
        scan.begin_ids_with(planned.prefix)
        scan.leave_out(planned.empty)
        for one in self._here(planned.refused, scan):
            if one.file_id in scan.seen:
                del scan.seen[one.file_id]
                scan.skipped.add(one.file_id)
                scan.failures.append(one)
        return planned

    def _asked(self, scan: Scan) -> Planned:
        options = self._options
        order = {
            name: getattr(options, name)
            for name in (
                "batch", "prefix", "is_deleting", "is_thorough", "is_dry_run", "quarantine_after", "keeps_empty",
            )
        }  # fmt: skip
        order |= {"source": self._id, "label": self._label, "gone": self._roots.gone()}
        order |= {"max_delete": str(options.max_delete), "is_complete": scan.is_complete}
        with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES) as listed:
            listed.writelines(sync_json.listing(scan))
            listed.seek(0)
            answer = self._send("POST", self._path, listed, "listing", {"options": json.dumps(order)})
        return sync_json.from_json(answer)

    def _send(self, method: str, path: str, stream: IO[bytes], name: str, form: Mapping[str, Any]) -> dict[str, Any]:
        answer = self._connection.send(method, path, files={"file": (name, stream)}, data=form)
        return body_of(answer)

    # --- sending

    def _read(
        self,
        planned: Planned,
        scan: Scan,
        on_queued: Callable[[int], None],
        listener: Listener,
        should_stop: Callable[[], bool],
    ) -> Report:
        report = Report()
        pending: dict[str, str | None] = {}
        for source in wanted_of(planned.plan, scan):
            if should_stop():
                break
            task_id = self._upload(source, planned, report)
            pending |= {task_id: readable(str(source.path))} if task_id else {}
        for task_id in planned.plan.resume:
            source = scan.sources[self._server.task(task_id).upload.file_id]
            pending[task_id] = readable(str(source.path))
        on_queued(len(pending))
        await_tasks(self._server, pending, report, listener=listener, should_stop=should_stop)
        return report

    def _upload(self, source: Source, planned: Planned, report: Report) -> str | None:
        """Send one file, as it is at one moment; return its task, None where there is none to wait for."""
        path = f"{self._path}{path_of(self._id, 'file', source.file_id)}"
        form = {"label": self._label, "batch": self._options.batch}
        form |= {"revision": planned.replaces.get(source.file_id, "")}
        with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES) as copy:

            def keep(stream: IO[bytes]) -> None:
                """Copy what is read."""
                copy.seek(0)
                copy.truncate()
                shutil.copyfileobj(stream, copy)

            try:
                _, state = read_steadily(source.path, keep)
                copy.seek(0)
                form |= _identity(state)
                answer = self._send("PUT", path, copy, source.filename, form)
            except (errors.InvalidInput, errors.Conflict, errors.NotFound, errors.IngestError) as exc:
                report.failures.append(failure(source, exc))
                return None
        if answer["failure"]:
            told = Failure(**answer["failure"])
            report.failures.append(replace(told, path=readable(str(source.path))))
            return None
        report.unchanged += answer["is_unchanged"]
        task_id = answer["task_id"]
        if task_id:
            report.note_growing(source, task_id, state)
        return str(task_id) if task_id else None


def _identity(state: FileState) -> dict[str, str]:
    seen = looked_at(state)
    return {"mtime_ns": str(max(0, seen.mtime_ns)), "inode": str(seen.inode), "ctime_ns": str(seen.ctime_ns)}
