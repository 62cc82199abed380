"""Writing a small file as a whole: a crash leaves the old one or the new one."""

import os
import tempfile
from pathlib import Path

from openrag_cli.errors import os_errors
from openrag_cli.fsync import fsync, undoing


def replace_file(path: Path, text: str) -> None:
    """Write `text` to the file at `path`, readable by its owner only; a link to a file stays a link.

    Raises:
        Forbidden, StoreError: by cause.
    """
    with os_errors(f"writing {path}"):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = path.resolve()
        descriptor, name = tempfile.mkstemp(prefix=".openrag-", dir=target.parent)
        with undoing(Path(name).unlink, missing_ok=True):
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).replace(target)
        fsync(target.parent)
