"""As in a container: the root read-only, a user without a name, no home, one volume for documents and store."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from machines import NAMELESS, as_user, namespaces

ROOT = Path(__file__).resolve().parent.parent
CONTAINER = """
set -e
mount --make-rprivate /
mount -t tmpfs -o size=400m tmpfs /mnt
mkdir /mnt/docs /mnt/store
cp -r "$docs/." /mnt/docs
chown -R "$user:$user" /mnt
mount -o remount,ro,bind /
for place in /tmp /var /dev/shm; do
    if mountpoint -q "$place"; then mount -o remount,ro,bind "$place"; fi
done
cd /mnt/docs
! touch "$outside/written" 2> /dev/null
setpriv --reuid "$user" --regid "$user" --clear-groups "$@"
"""
SESSION = """
import json, subprocess, sys, urllib.request
def run(*arguments):
    return subprocess.run([sys.executable, "-m", "openrag_cli", *arguments], capture_output=True, text=True, timeout=100)
told = {}
for line in ("file add . -p h", "search rotate -p h -l", "ask how+often+do+we+rotate+api+keys? -p h", "file sync . -p s",
             "file sync . -p s", "task list", "doctor"):
    words = [word.replace("+", " ") for word in line.split()]
    done = run(*words)
    told[line] = (done.returncode, done.stdout, done.stderr)
server = subprocess.Popen([sys.executable, "-m", "openrag_cli", "serve", "--port", "0"], stderr=subprocess.PIPE, text=True)
url = next(line for line in server.stderr if "openrag serves" in line).split()[-1]
found = urllib.request.urlopen(f"{url}/search?text=rotate&partitions=h", timeout=60)
told["serve"] = (found.status, found.read().decode(), "")
server.terminate()
told["end"] = (server.wait(60), "", server.stderr.read())
print(json.dumps(told))
"""


def test_a_container_with_one_volume_adds_searches_asks_syncs_and_serves(tmp_path):
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", str(ROOT)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENRAG_STORE": "/mnt/store/s",
    }
    outside = {"docs": str(ROOT / "examples" / "handbook"), "user": str(NAMELESS), "outside": str(tmp_path)}
    script = [*namespaces(), "sh", "-c", CONTAINER, "sh", *as_user(), sys.executable, "-c", SESSION]
    done = subprocess.run(script, env=env | outside, capture_output=True, text=True, timeout=300, check=False)
    if "remount" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"the root cannot be made read-only here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    for line, (code, _, err) in told.items():
        assert code == (200 if line == "serve" else 0), (line, err)
        assert "Traceback" not in err
    assert told["search rotate -p h -l"][1] == "ops/keys.md\n"
    assert "90 days" in told["ask how+often+do+we+rotate+api+keys? -p h"][1]
    assert "keys.md" in told["serve"][1]
