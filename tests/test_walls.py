"""A converter child that was taken over: it reaches no network, no store and no file of the user."""

import errno
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from openrag_cli.documents.sandbox import landlock, no_network
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


def sandbox_of(cli):
    return [finding for finding in cli("doctor", "--json").json["findings"] if finding["name"] == "sandbox"]


def test_doctor_says_which_walls_there_are(cli):
    [found] = sandbox_of(cli)
    assert (found["status"] == "ok") == (landlock.version() >= 3)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((-1, errno.ENOSYS), "the kernel has no Landlock (Linux 5.13)"),
        ((-1, errno.EOPNOTSUPP), "switched off"),
        ((-1, errno.EPERM), "refused here: Operation not permitted"),
        ((1, 0), "version 1, and truncating is forbidden from version 3 on (Linux 6.2)"),
        ((2, 0), "version 2"),
        ((3, 0), None),
        ((7, 0), None),
        ((99, 0), None),
    ],
)
def test_doctor_gives_the_reason_where_the_kernel_answers_otherwise(cli, monkeypatch, answer, words):
    monkeypatch.setattr(landlock, "_syscall", lambda *_: answer)
    [found] = sandbox_of(cli)
    assert found["status"] == ("warning" if words else "ok")
    assert (words or "without network") in found["text"]
    if answer[0] < 0:
        with pytest.raises(OSError, match=os.strerror(answer[1])):
            landlock.confine(readable=[], listable=[], writable=[])


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.EINVAL, "no seccomp filters"), (errno.EACCES, "Permission denied"), (errno.EFAULT, None)],
)
def test_doctor_gives_the_reason_where_the_kernel_takes_no_filter(cli, monkeypatch, code, words):
    monkeypatch.setattr(no_network, "_probe", lambda: code)
    texts = [finding["text"] for finding in sandbox_of(cli)]
    assert (
        any("could open sockets" in text and words in text for text in texts) if words else "sockets" not in texts[0]
    )


def test_doctor_gives_the_reason_on_another_processor(cli, monkeypatch):
    monkeypatch.setattr(no_network.platform, "machine", lambda: "riscv64")
    assert "no filter is known for this processor (riscv64)" in sandbox_of(cli)[0]["text"]


@pytest.mark.parametrize("level", range(1, 8))
def test_no_right_is_asked_of_a_kernel_that_does_not_know_it(monkeypatch, tmp_path, level):
    """The sizes and bits that each version takes are those of landlock(7): a kernel refuses what is beyond."""
    handled, granted = [], []

    def kernel(number, *arguments):
        if number == 444 and arguments[0] is None:
            return level, 0
        if number == 444:
            assert arguments[1] == 8 * (1 + (level >= 4) + (level >= 6))
            handled.append(struct.unpack_from("=Q", arguments[0])[0])
            return os.open(tmp_path, os.O_RDONLY), 0
        if number == 445:
            granted.append(struct.unpack_from("=Q", arguments[2])[0])
        return 0, 0

    monkeypatch.setattr(landlock, "_syscall", kernel)
    if os.fork() == 0:  # no_new_privs is for good
        done = 1
        try:
            landlock.confine(readable=[tmp_path], listable=[tmp_path], writable=[tmp_path])
            known = 13 + (level >= 2) + (level >= 3) + (level >= 5)
            assert handled == [(1 << known) - 1]
            assert len(granted) == 3
            assert not [rights for rights in granted if rights & ~handled[0] or not rights]
            done = 0
        finally:
            os._exit(done)
    assert os.wait()[1] == 0


def verdict(rows, architecture, number, argument):
    """Run a filter as the kernel does (seccomp(2)); return what it says of a system call."""
    words = {0: number, 4: architecture, 16: argument}
    at, held = 0, 0
    while True:
        code, if_true, if_false, value = rows[at]
        at += 1
        if code == 0x20:
            held = words[value]
        elif code == 0x06:
            return value
        else:
            at += if_true if (held == value if code == 0x15 else held >= value) else if_false


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_of_each_processor_stops_sockets_alone(machine):
    number, architecture = no_network._SOCKET[machine]
    assert (number, architecture) == {"x86_64": (41, 0xC000003E), "aarch64": (198, 0xC00000B7)}[machine]
    refused, allowed = 0x00050000 | errno.EAFNOSUPPORT, 0x7FFF0000
    some, whole = (make(number, architecture, refused) for make in (no_network._rows, no_network._rows_for_all))
    for family, name in ((1, "unix"), (2, "inet"), (10, "inet6"), (16, "netlink"), (17, "packet")):
        assert verdict(whole, architecture, number, family) == refused, name
        assert verdict(some, architecture, number, family) == (refused if family in {2, 10} else allowed), name
    assert verdict(whole, architecture, 425, 0) == refused, "io_uring opens sockets unseen"
    for rows in (some, whole):
        assert verdict(rows, 0x40000003, 359, 1) == refused, "32-bit calls"
        for other in range(500):
            if other not in {number, 425}:
                assert verdict(rows, architecture, other, 2) == allowed, other
    assert verdict(whole, architecture, 0x40000000 | number, 2) == refused
