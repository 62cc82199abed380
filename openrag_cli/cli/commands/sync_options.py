"""How a folder is synced: the options of `openrag file sync`, which are remembered with the folder."""

import shlex
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from openrag_cli.cli.commands.add import ExcludeOption, GlobOption
from openrag_cli.cli.commands.options import FollowOption, StrictOption

if TYPE_CHECKING:
    from openrag_cli.sync.outcome import SyncOptions

FoldersArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="[DIR]...",
        help="Folder that the partition is to follow, or several. None: every folder that was synced before, with the "
        "options last given.",
    ),
]
PrefixOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="What the ids of the folder's files begin with. Default: as at its first sync; then nothing for the first "
        "folder of a partition, and its name for a further one.",
    ),
]
DeleteOption = Annotated[
    bool, typer.Option("--delete", help="Delete what came from the folder and is gone from it. Default: keep it.")
]
MaxDeleteOption = Annotated[
    str,
    typer.Option(
        metavar="N|P%",
        help="Change nothing if more than N files, or P percent of those that came from the folder, are to be deleted.",
    ),
]
ChecksumOption = Annotated[
    bool, typer.Option("--checksum", help="Read every file. Default: those whose size, times or inode changed.")
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(metavar="S", min=0.0, help="Seconds after which to stop; the next run goes on. Default: no limit."),
]
LockTimeoutOption = Annotated[
    float, typer.Option(metavar="S", min=0.0, help="Seconds to wait while another sync of the folder runs.")
]
QuarantineOption = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=0,
        help="Failures in a row after which a file is left alone even when it changes, until task retry; 0 is never.",
    ),
]
RefreshOption = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=0,
        help="Outdated files of the partition to read again after the sync, at most: see openrag file refresh.",
    ),
]


ListOption = Annotated[
    bool,
    typer.Option("--list", help="List the folders that were synced, with their options; sync none. Default: off."),
]
ForgetOption = Annotated[
    list[str],
    typer.Option("--forget", metavar="DIR", help="Forget a folder; its files stay. Sync none. Repeatable."),
]
WatchOption = Annotated[
    bool, typer.Option("--watch", help="Go on, and sync a folder whenever something in it changes. Default: off.")
]


@dataclass(frozen=True, slots=True)
class SyncFlags:
    """How a folder is synced: what is remembered with it."""

    delete: DeleteOption = False
    max_delete: MaxDeleteOption = "20%"
    checksum: ChecksumOption = False
    lock_timeout: LockTimeoutOption = 0.0
    quarantine_after: QuarantineOption = 3
    refresh: RefreshOption = 0
    strict: StrictOption = False
    prefix: PrefixOption = None
    follow: FollowOption = False
    glob: GlobOption = field(default_factory=list)
    exclude: ExcludeOption = field(default_factory=list)

    def options(self, folder: Path, partition: str) -> "SyncOptions":
        """Return what the engine is told. Raises: InvalidInput."""
        from openrag_cli.sync.outcome import SyncOptions
        from openrag_cli.sync.plan import parse_limit

        return SyncOptions(
            folder=folder,
            partition=partition,
            is_deleting=self.delete,
            max_delete=parse_limit(self.max_delete),
            is_thorough=self.checksum,
            lock_timeout_s=self.lock_timeout,
            quarantine_after=self.quarantine_after,
            n_refresh=self.refresh,
            prefix=self.prefix,
            follows=self.follow,
            keeps_empty=self.strict,
            globs=tuple(self.glob),
            excludes=tuple(self.exclude),
        )

    def changed(self) -> dict[str, Any]:
        """Return what is not as it is by itself."""
        plain = asdict(SyncFlags())
        return {name: value for name, value in asdict(self).items() if value != plain[name]}

    def shown(self) -> str:
        """Return them as they are typed."""
        words: list[str] = []
        for name, value in self.changed().items():
            option = "--" + name.replace("_", "-")
            values = value if isinstance(value, list) else [value]
            words += [option if one is True else f"{option} {shlex.quote(str(one))}" for one in values]
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A folder that is to be synced, and how."""

    folder: Path
    partition: str
    flags: SyncFlags
