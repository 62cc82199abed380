"""A converter child that was taken over: it reaches no network, no store and no file of the user."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from openrag_cli.documents.sandbox import landlock, no_network, walls
from openrag_cli.documents.sandbox.pool import ConverterPool, _import_path
from openrag_cli.inference.onnx_embedder import default_model_dir

TOKENIZER = default_model_dir() / "tokenizer.json"
pytestmark = pytest.mark.skipif(not no_network.is_supported(), reason="needs Linux on x86-64 or arm64")
has_landlock = pytest.mark.skipif(not landlock.version(), reason="needs a kernel with Landlock")

ATTACK = """
import json, os, sys
sys.path[:] = json.loads(sys.argv[1])
from pathlib import Path
from openrag_cli.documents.sandbox.walls import raise_walls
documents, scratch, tokenizer = map(Path, sys.argv[2:5])
raise_walls(documents=documents, tokenizer=tokenizer, scratch=scratch)
def tried(act):
    try:
        act()
    except OSError as exc:
        return exc.strerror
    return "done"
import socket
def link():
    os.link(documents / "a", scratch / "linked")
results = {
    "tcp": tried(lambda: socket.socket(socket.AF_INET)),
    "tcp6": tried(lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)),
    "unix": tried(lambda: socket.socket(socket.AF_UNIX)),
    "packet": tried(lambda: socket.socket(17, socket.SOCK_RAW)),
    "connect": tried(lambda: socket.create_connection(("127.0.0.1", int(sys.argv[6])), 5)),
    "shadow": tried(lambda: open("/etc/shadow").read()),
    "passwd": tried(lambda: open("/etc/passwd").read()),
    "outside": tried(lambda: open(sys.argv[5]).read()),
    "list": tried(lambda: os.listdir(os.path.dirname(sys.argv[5]))),
    "parent": tried(lambda: open(f"/proc/{os.getppid()}/environ").read()),
    "link": tried(link),
    "run": tried(lambda: os.posix_spawn("/bin/true", ["true"], {})),
    "overwrite": tried(lambda: open(documents / "a", "r+b")),
    "make": tried(lambda: open(documents / "new", "wb")),
    "remove": tried(lambda: os.remove(documents / "a")),
    "truncate": tried(lambda: os.truncate(documents / "a", 0)),
    "package": tried(lambda: open(Path(sys.modules["openrag_cli"].__file__), "ab")),
    "read": tried(lambda: open(documents / "a").read()),
    "scratch": tried(lambda: open(scratch / "x", "wb").write(b"x")),
    "import": tried(lambda: __import__("lxml.etree")),
}
print(json.dumps(results))
"""


@pytest.fixture
def results(tmp_path):
    """What a child that tries everything is told."""
    import socket

    for folder in ("store", "scratch", "home"):
        (tmp_path / folder).mkdir()
    (tmp_path / "store" / "a").write_text("a document")
    (tmp_path / "home" / "key").write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        paths = [
            tmp_path / "store",
            tmp_path / "scratch",
            TOKENIZER,
            tmp_path / "home" / "key",
            listener.getsockname()[1],
        ]
        done = subprocess.run(
            [sys.executable, "-I", "-c", ATTACK, json.dumps(_import_path()), *map(str, paths)],
            capture_output=True, cwd="/", timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_a_child_opens_no_socket(results):
    for attempt in ("tcp", "tcp6", "unix", "packet", "connect"):
        assert results[attempt] == "Address family not supported by protocol", attempt


@has_landlock
def test_a_child_sees_no_file_of_the_user_and_writes_to_scratch_alone(results):
    for attempt in (
        "shadow",
        "passwd",
        "outside",
        "list",
        "overwrite",
        "make",
        "remove",
        "truncate",
        "package",
        "run",
    ):
        assert results[attempt] == "Permission denied", attempt
    assert results["link"] in {"Permission denied", "Invalid cross-device link"}
    assert results["parent"] in {"Permission denied", "No such file or directory"}
    assert {results[name] for name in ("read", "scratch", "import")} == {"done"}


def test_a_child_of_the_pool_has_its_walls_up_and_no_descriptor_of_its_parent(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("x")
    document = tmp_path / "documents" / "a"
    document.parent.mkdir()
    document.write_text("words")
    with secret.open() as stream:
        os.set_inheritable(stream.fileno(), True)
        with ConverterPool(workers=1, tokenizer_path=TOKENIZER, max_tokens=256) as pool:
            pool.convert(document, "a.txt")
            process = Path(f"/proc/{pool._idle[-1]._process.pid}")
            status = dict(
                line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line
            )
            opened = {os.readlink(entry) for entry in (process / "fd").iterdir()}
            scratch = pool._scratch
            assert scratch is not None
            assert scratch.is_dir()
    assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")
    assert {path.partition(":")[0] for path in opened} <= {"pipe", "/dev/null"}
    assert not scratch.exists()


@has_landlock
def test_a_child_reads_documents_of_its_folder_alone(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text(f"words of {name}")
    with ConverterPool(workers=1, tokenizer_path=TOKENIZER, max_tokens=256) as pool:
        for name in ("one", "two"):
            assert pool.convert(tmp_path / name / "a", "a.txt").document.markdown == f"words of {name}"
    with ConverterPool(workers=1, tokenizer_path=TOKENIZER, max_tokens=256, documents=tmp_path / "one") as pool:
        (tmp_path / "one" / "link").symlink_to(tmp_path / "two" / "a")
        with pytest.raises(Exception, match="Permission denied"):
            pool.convert(tmp_path / "one" / "link", "a.txt")


def test_doctor_says_which_walls_there_are(cli, monkeypatch):
    text = {finding["name"]: finding for finding in cli("doctor", "--json").json["findings"]}["sandbox"]
    assert (text["status"] == "ok") == (landlock.version() > 0)
    monkeypatch.setattr(landlock, "version", lambda: 0)
    assert "Landlock" in walls.missing_walls()[0]
