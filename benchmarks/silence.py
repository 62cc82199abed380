"""A server that is left alone and used for two minutes: every INET socket that it or its children hold, and every file.

    python benchmarks/silence.py [--seconds 120]

Printed: the sockets besides the listening one and its clients', and the files outside of the store and cache: none of either.
"""

import argparse
import os
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from server.conftest import added, start
from sockets import foreign_sockets


def main() -> None:
    """Run the server, use it, and list what is not ours."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("home", "tmp"):
            (root / name).mkdir()
        server = start(root / "store", env={"HOME": str(root / "home"), "TMPDIR": str(root / "tmp")})
        over = threading.Event()
        threading.Timer(seconds, over.set).start()
        others: set[str] = set()
        n_looks = 0
        with server.client() as client:
            added(client, "/indexer/partition/p/file/a.md", "Rotate the keys every 90 days.")
            while not over.wait(0.05):
                client.get("/search", params={"text": "keys"})
                others |= foreign_sockets(server.process.pid, int(server.url.rpartition(":")[2]))
                n_looks += 1
        server.stop()
        files = [path for name in ("home", "tmp") for path in (root / name).rglob("*") if path.is_file()]
        print(f"{n_looks} looks in {seconds:g} s; foreign sockets: {sorted(others) or 'none'}")
        print(f"files outside of store and cache: {[os.fspath(path) for path in files] or 'none'}")


if __name__ == "__main__":
    main()
