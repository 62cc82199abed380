"""Syncing a folder of a client: the client scans and reads, here is remembered and planned.

The client sends a listing; as long as the answer names files to hash, it reads these and sends the listing again. What
can be done at once is then done; the files to add and to replace are sent one by one, and the end is told.
"""

import os
from pathlib import Path
from typing import Annotated, Any, cast

from fastapi import APIRouter, Form, Request, Response, UploadFile
from pydantic import ValidationError

from openrag_cli.contract import sync_json
from openrag_cli.contract.sync_json import Planned
from openrag_cli.engine import Engine
from openrag_cli.errors import InvalidInput, os_errors
from openrag_cli.ingest.naming import Source, readable
from openrag_cli.server.guards.bodies import JsonRoute, UploadRoute
from openrag_cli.server.routes import sync_schemas as shapes
from openrag_cli.server.routes.indexer import UPLOAD_ERRORS, FileIdPath, PartitionPath, errors
from openrag_cli.server.urls import engine_of
from openrag_cli.store.names import check_partition
from openrag_cli.sync.outcome import SyncOptions, refusal
from openrag_cli.sync.plan import FolderFile, parse_limit
from openrag_cli.sync.root import client_root
from openrag_cli.sync.runner import Receiver, Syncer, settle
from openrag_cli.sync.scan import Scan
from openrag_cli.sync.state import SyncState

router = APIRouter(tags=["operations"])
_forms = APIRouter(route_class=UploadRoute)
_json = APIRouter(route_class=JsonRoute)

_PLACE = "/indexer/partition/{partition}/sync"
_BUSY = errors(s423="Another sync of the folder is running")


@_forms.post(_PLACE, responses=UPLOAD_ERRORS | _BUSY)
def plan_sync(
    request: Request, partition: PartitionPath, file: UploadFile, options: Annotated[str, Form()]
) -> shapes.SyncPlan:
    """Plan what makes a partition hold what a listing says, and do what can be done without reading a file."""
    engine = engine_of(request)
    order = _order(options)
    asked = _options(order, check_partition(partition))
    root = client_root(order.source, readable(order.label), order.gone)
    scan = sync_json.read_listing(file.file, root.source, max_bytes=engine.settings.max_file_bytes)
    scan.is_complete = order.is_complete
    syncer = engine.parts.syncer(asked, root)
    with syncer.locked():
        planned = _planned(engine, syncer, scan, asked)
    return shapes.SyncPlan(**sync_json.as_json(planned))


def _order(text: str) -> shapes.SyncOrder:
    try:
        return shapes.SyncOrder.model_validate_json(text)
    except ValidationError as exc:
        problems = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in exc.errors()[:3]]
        raise InvalidInput(f"the options of the sync are wrong: {'; '.join(problems)}", hint="see /docs") from exc


def _options(order: shapes.SyncOrder, partition: str) -> SyncOptions:
    same: dict[str, Any] = order.model_dump(exclude={"source", "label", "gone", "max_delete", "is_complete"})
    return SyncOptions(
        folder=Path(order.label), partition=partition, max_delete=parse_limit(order.max_delete), **same
    )


def _planned(engine: Engine, syncer: Syncer, scan: Scan, options: SyncOptions) -> Planned:
    prefix = syncer.prefix(scan)
    planned = Planned(prefix.text, is_taken=prefix.is_taken)
    if prefix.is_taken:
        return planned
    scan.begin_ids_with(prefix.text)
    planned.refused = list(scan.failures)
    planned.empty = syncer.take(scan)
    planned.to_hash = syncer.to_hash()
    if planned.to_hash:
        return planned
    planned.plan = plan = syncer.make_plan()
    planned.failed = syncer.earlier()
    planned.is_resuming = syncer.is_resuming
    if not options.is_dry_run and not refusal(options, plan, scan):
        if plan.adds or plan.replaces or plan.deletes:
            engine.check_model()  # before anything is changed
        syncer.change(lambda: False)
        if plan.adds or plan.replaces or plan.resume:
            syncer.begin()
        planned.is_applied = True
    planned.replaces = syncer.revisions(plan.replaces)
    planned.busy, planned.n_moved, planned.n_deleted = syncer.busy, syncer.n_moved, syncer.n_deleted
    planned.is_open = syncer.is_open
    return planned


@_forms.put(f"{_PLACE}/{{source}}/file/{{file_id:path}}", responses=UPLOAD_ERRORS)
def take_file(  # the fields of a form
    request: Request,
    partition: PartitionPath,
    source: str,
    file_id: FileIdPath,
    file: UploadFile,
    label: Annotated[str, Form()],
    batch: Annotated[str, Form(pattern="^[0-9a-f]{48}$")],
    mtime_ns: Annotated[int, Form(ge=0, lt=1 << 63)],
    inode: Annotated[int | None, Form(ge=0, lt=1 << 63)] = None,
    ctime_ns: Annotated[int | None, Form(ge=-(1 << 63), lt=1 << 63)] = None,
    revision: Annotated[str, Form(description="The version that is to be replaced; empty for a new file")] = "",
) -> shapes.SyncUpload:
    """Queue one file of a folder, if nobody has put another in its place since the plan."""
    engine = engine_of(request)
    root = client_root(source, readable(label))
    options = SyncOptions(Path(label), check_partition(partition), batch=batch)
    seen = FolderFile(file.size or 0, mtime_ns, inode=inode, ctime_ns=ctime_ns)
    receiver = Receiver(engine.parts.sync_adder, SyncState(engine.parts.database, partition, root), options)
    received = cast("str", file.file.name)  # in the spool, see `UploadRoute`
    with os_errors("receiving an upload into the spool"):
        file.file.flush()
        os.utime(received, ns=(mtime_ns, mtime_ns))
    name = file.filename or file_id.rpartition("/")[2]
    adder = receiver.take(Source(Path(received), file_id, root.source, name=name), revision or None, seen)
    failures = adder.report.failures
    return shapes.SyncUpload(
        task_id=adder.task_ids.get(file_id),
        is_unchanged=bool(adder.report.unchanged),
        failure=failures[0] if failures else None,
    )


@_json.post(
    f"{_PLACE}/end", status_code=204, responses=errors(s400="The request is wrong", s415="The body is not JSON")
)
def end_sync(request: Request, partition: PartitionPath, body: shapes.SyncEnd) -> Response:
    """Remember what became of the files of a folder, and put the index in order."""
    engine = engine_of(request)
    root = client_root(body.source, readable(body.label))
    settle(SyncState(engine.parts.database, check_partition(partition), root), is_stopped=body.is_stopped)
    if not body.is_stopped:
        engine.maintain(force=body.is_resuming)
    return Response(status_code=204)


router.include_router(_forms)
router.include_router(_json)
