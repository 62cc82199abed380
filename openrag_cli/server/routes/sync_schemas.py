"""What a client sends to sync a folder of its own, and what it is told."""

from typing import Any

from pydantic import BaseModel, Field, StrictBool

from openrag_cli.ingest.report import Failure


class SyncOrder(BaseModel):
    """How a folder is synced: see `openrag help file sync`. `source` is the id by which the client knows it, `label` its
    name, `gone` the ids of its folders that are no more; `batch` names the tasks of this run."""

    source: str = Field(pattern="^[0-9a-f]{32}$")
    label: str = Field(min_length=1, max_length=1024)
    batch: str = Field(pattern="^[0-9a-f]{48}$")
    gone: list[str] = []
    prefix: str | None = None
    is_deleting: bool = False
    max_delete: str = "20%"
    is_thorough: bool = False
    is_dry_run: bool = False
    quarantine_after: int = Field(default=3, ge=0)
    keeps_empty: bool = False
    is_complete: bool = True


class SyncPlan(BaseModel):
    """What there is to do, or was done: see `Planned` in contract/sync_json.py."""

    prefix: str
    is_taken: bool
    to_hash: list[str]
    empty: list[str]
    refused: list[Failure]
    replaces: dict[str, str]
    busy: list[Failure]
    failed: list[Failure]
    n_moved: int
    n_deleted: int
    is_applied: bool
    is_open: bool
    is_resuming: bool
    plan: dict[str, Any]


class SyncUpload(BaseModel):
    """What became of one file of a folder: its task, or it is there already, or why it is not taken."""

    task_id: str | None = None
    is_unchanged: bool = False
    failure: Failure | None = None


class SyncEnd(BaseModel):
    """How a sync ended. `is_resuming`: as the plan said."""

    source: str = Field(pattern="^[0-9a-f]{32}$")
    label: str = Field(min_length=1, max_length=1024)
    is_stopped: StrictBool = False
    is_resuming: StrictBool = False
