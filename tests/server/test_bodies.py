"""Small bodies that want to cost much: each is refused or read within bounds, and the server goes on answering."""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stub_llm import wait_until

from openrag_cli import limits
from openrag_cli.errors import InvalidInput, TooLarge
from openrag_cli.server.guards.bodies import count_values, n_chars, parse

from .conftest import Server, start

JSON = {"Content-Type": "application/json"}
MAX_GROWTH_BYTES = 200_000_000


@pytest.fixture(scope="module")
def attacked(tmp_path_factory) -> Iterator[Server]:
    env = {"OPENRAG_MAX_FILE_BYTES": "3000000"}
    server = start(tmp_path_factory.mktemp("attacked") / "store", "--workers", "0", env=env)
    with server.client() as client:
        client.post("/v1/chat/completions", json=chat("warm"))
    yield server
    assert server.stop() == 0


def chat(text: str = "hi", **more: object) -> dict[str, object]:
    return {"model": "openrag-all", "messages": [{"role": "user", "content": text}], **more}


def form(*parts: bytes, boundary: bytes = b"x") -> bytes:
    return b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"


def field(name: str, value: bytes, filename: str | None = None) -> bytes:
    end = f'; filename="{filename}"' if filename else ""
    return f'Content-Disposition: form-data; name="{name}"{end}\r\n\r\n'.encode() + value


def _messages(inner: str, n_bytes: int) -> bytes:
    return b'{"model":"openrag-all","messages":[' + (inner + ",").encode() * (n_bytes // (len(inner) + 1)) + b"{}]}"


CHAT, FILE = "/v1/chat/completions", "/indexer/partition/p/file/f"
SAID = '{"role":"user","content":"x"}'
BODIES: dict[str, tuple[str, str, bytes, int]] = {
    "empty messages": ("POST", CHAT, _messages("{}", 3_000_000), 413),
    "empty lists": ("POST", CHAT, _messages("[]", 9_000_000), 413),
    "numbers": ("POST", CHAT, _messages("1", 9_000_000), 413),
    "texts": ("POST", CHAT, _messages('""', 9_000_000), 413),
    "wrong fields": ("POST", CHAT, b'{"model":"m","messages":[' + b'{"role":7},' * 9000 + b"{}]}", 413),
    "a thousand wrong messages": ("POST", CHAT, b'{"model":"m","messages":[' + b'{"role":7},' * 999 + b"{}]}", 400),
    "wrong parts": (
        "POST",
        CHAT,
        b'{"model":"m","messages":[{"role":"user","content":[' + b"1," * 90_000 + b"1]}]}",
        400,
    ),
    "wrong stops": ("POST", CHAT, json.dumps(chat(stop=[1] * 90_000)).encode(), 400),
    "wrong tools": ("POST", CHAT, json.dumps(chat(tools=[1] * 90_000)).encode(), 400),
    "many messages": ("POST", CHAT, _messages(SAID, 200_000), 413),
    "much text": ("POST", CHAT, json.dumps(chat("x" * 2_100_000)).encode(), 413),
    "wide text": ("POST", CHAT, json.dumps(chat("𝕏" * 2_400_000), ensure_ascii=False).encode(), 413),
    "escapes": ("POST", CHAT, json.dumps(chat('\\"' * 1_200_000)).encode(), 413),
    "over ten megabytes": ("POST", CHAT, json.dumps(chat("x" * 11_000_000)).encode(), 413),
    "keys": ("POST", CHAT, json.dumps(chat(**{f"k{n}": 1 for n in range(300_000)})).encode(), 413),
    "deep lists": ("POST", CHAT, b"[" * 90_000 + b"]" * 90_000, 400),
    "deep within": (
        "POST",
        CHAT,
        json.dumps(chat()).encode()[:-1] + b',"x":' + b'{"a":' * 500 + b"1" + b"}" * 501,
        400,
    ),
    "a number of a megabyte": ("POST", CHAT, b'{"model":"m","n":' + b"9" * 1_000_000 + b"}", 400),
    "an infinite number": ("POST", CHAT, b'{"model":"m","temperature":1e999,"messages":[]}', 400),
    "no number": ("POST", CHAT, b'{"model":"m","temperature":NaN,"messages":[]}', 400),
    "utf-16": ("POST", CHAT, json.dumps(chat()).encode("utf-16"), 400),
    "not closed": ("POST", CHAT, b'{"model":"m","messages":["' + b"x" * 5_000_000, 400),
    "embedding of tokens": (
        "POST",
        "/v1/embeddings",
        json.dumps({"model": "m", "input": [1] * 300_000}).encode(),
        413,
    ),
    "embedding of nothing": (
        "POST",
        "/v1/embeddings",
        json.dumps({"model": "m", "input": [[]] * 40_000}).encode(),
        400,
    ),
    "prompt of prompts": (
        "POST",
        "/v1/completions",
        json.dumps({"model": "m", "prompt": [[]] * 40_000}).encode(),
        400,
    ),
    "a body where none is read": ("POST", "/partition/q", b"x" * 1_000_000, 413),
    "a body of a search": ("GET", "/search?text=x", b"x" * 1_000_000, 413),
    "a file over the limit": ("POST", FILE, form(field("file", b"x" * 4_500_000, "a.md")), 413),
    "many fields": ("POST", FILE, form(*(field(f"f{n}", b"x" * 1000) for n in range(2000))), 400),
    "many files": ("POST", FILE, form(*(field("file", b"x", "a.md") for _ in range(2000))), 400),
    "many headers": ("POST", FILE, form(b"X-A: b\r\n" * 100_000 + field("file", b"x", "a.md")), 400),
    "a field of megabytes": ("POST", FILE, form(field("metadata", b" " * 2_900_000)), 400),
    "a form that is no multipart": ("POST", FILE, b"a=" + b"x" * 3_500_000, 413),
    "metadata of brackets": ("PATCH", FILE, form(field("metadata", b"[" * 900_000)), 400),
    "a listing of one line": (
        "POST",
        "/indexer/partition/p/sync",
        form(
            field("options", b'{"source":"' + b"0" * 32 + b'","label":"d","batch":"' + b"0" * 48 + b'"}'),
            field("file", b"[" + b"[]," * 800_000 + b"[]]", "l"),
        ),
        413,
    ),
    "no boundary": ("POST", FILE, b"x" * 2_000_000, 400),
}


def _attack(server: Server, request: tuple[str, str, bytes, dict[str, str]], answers: list[httpx.Response]) -> None:
    method, path, body, headers = request
    with server.client() as client:
        answers.append(client.request(method, path, content=body, headers=headers))


def _headers(name: str, path: str) -> dict[str, str]:
    if path.startswith("/v1/"):
        return JSON
    if name == "a form that is no multipart":
        return {"Content-Type": "application/x-www-form-urlencoded"}
    return {"Content-Type": "multipart/form-data; boundary=x"}


def _memory(server: Server, key: str) -> int:
    found = re.search(rf"{key}:\s+(\d+) kB", Path(f"/proc/{server.process.pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


def _stalls(client: httpx.Client) -> float:
    found = re.search(r"^openrag_event_loop_stalls_total (\S+)", client.get("/metrics").text, re.MULTILINE)
    assert found
    return float(found[1])


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_hostile_bodies_cost_little_and_the_server_goes_on_answering(attacked: Server) -> None:
    is_measured = Path("/proc/self/clear_refs").exists()
    with attacked.client() as client:
        client.get("/partition")
        n_stalls, n_bytes = _stalls(client), _size(attacked.store)
        growths = {"": 0}
        for name, (method, path, body, status) in BODIES.items():
            if is_measured:
                Path(f"/proc/{attacked.process.pid}/clear_refs").write_text("5")  # the peak is measured from now on
                idle = _memory(attacked, "VmRSS")
            answers: list[httpx.Response] = []

            request = (method, path, body, _headers(name, path))
            thread = threading.Thread(target=_attack, args=(attacked, request, answers))
            thread.start()
            while True:
                assert client.get("/livez").status_code == 200
                if not thread.is_alive():
                    break
            thread.join()
            assert answers, f"{name}: the connection broke"
            assert answers[0].status_code == status, (name, answers[0].text[:300])
            assert len(answers[0].content) < 5000, name
            if is_measured:
                growths[name] = _memory(attacked, "VmHWM") - idle
                assert growths[name] < MAX_GROWTH_BYTES, (name, growths[name])
        for name, growth in sorted(growths.items(), key=lambda one: one[1])[-5:]:
            print(f"{name:30} +{growth / 1e6:4.0f} MB")
        assert _stalls(client) == n_stalls
        assert client.get("/partition").json()["partitions"] == []
    assert _size(attacked.store) - n_bytes < 3_000_000
    assert len(BODIES) >= 30


def test_what_is_just_within_the_limits_is_answered(attacked: Server) -> None:
    with attacked.client() as client:
        n_stalls = _stalls(client)
        turns = [{"role": role, "content": f"{n}"} for n in range(499) for role in ("user", "assistant")]
        many = {"model": "openrag-all", "messages": [*turns, {"role": "user", "content": "hi"}]}
        assert client.post(CHAT, json=many).status_code == 200
        pasted = [{"role": "user", "content": "long text, " * 170_000}, {"role": "user", "content": "and then?"}]
        assert client.post(CHAT, json={"model": "openrag-all", "messages": pasted}).status_code == 200
        assert _stalls(client) == n_stalls


def test_errors_of_many_fields_are_cut_to_ten(attacked: Server) -> None:
    with attacked.client() as client:
        wrong = dict.fromkeys(("n", "seed", "top_p", "temperature", "max_tokens", "presence_penalty"), "x")
        keys = ("frequency_penalty", "tools", "parallel_tool_calls", "response_format", "stop")
        wrong = {**wrong, **{key: {"a": []} for key in keys}}
        message = client.post(CHAT, json={"model": 7, "messages": 7, **wrong}).json()["error"]["message"]
        assert message.count("; ") == 10
        assert re.search(r"and \d+ more$", message)


def test_a_full_disk_is_507_and_the_log_names_the_place(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    if not hasattr(resource, "prlimit"):
        pytest.skip("the limits of another process cannot be set here")
    # A module's code cut off at the limit would break every later process.
    server = start(tmp_path / "store", "--workers", "0", env={"PYTHONDONTWRITEBYTECODE": "1"})
    try:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (2_000_000, resource.RLIM_INFINITY))
        with server.client() as client:
            answer = client.post(FILE, files={"file": ("a.txt", b"a" * 10_000_000)})
            assert answer.status_code == 507
            assert answer.json()["code"] == "store_full"
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
            assert client.post(FILE, files={"file": ("a.txt", b"a" * 10_000_000)}).status_code == 201
    finally:
        assert server.stop() == 0
    log = (tmp_path / "server.log").read_text()
    assert f"receiving an upload into {tmp_path / 'store' / 'spool'}: no space left" in log


# --- counting


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def _n_values(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(_n_values, inner))


@given(VALUES, st.booleans())
def test_values_are_counted_without_being_made(value: object, is_ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii).encode()
    n_values = _n_values(value)
    assert n_values <= count_values(text) <= 2 * n_values
    assert parse(text) == value


@given(VALUES)
def test_counting_block_by_block_is_counting_at_once(value: object) -> None:
    import openrag_cli.server.guards.bodies as bodies

    text = json.dumps(value).encode()
    whole = count_values(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "BLOCK_BYTES", 3)
        assert count_values(text) == whole


def test_images_are_no_text_and_everything_else_is() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:" + "x" * 5_000_000}}
    said = {"messages": [{"role": "user", "content": [image, {"type": "text", "text": "look"}]}]}
    assert n_chars(said) == len("user") + len("image_url") + len("text") + len("look")
    assert parse(json.dumps(said).encode()) == said


def test_what_is_too_much_is_refused_by_the_table_of_limits() -> None:
    with pytest.raises(TooLarge, match="messages"):
        parse(json.dumps({"messages": [0] * (limits.most("chat_messages") + 1)}).encode())
    with pytest.raises(TooLarge, match="values"):
        parse(b"[" + b"0," * limits.most("json_values") + b"0]")
    with pytest.raises(InvalidInput, match="levels"):
        parse(b"[" * 101 + b"]" * 101)


def test_an_upload_is_written_once(tmp_path: Path) -> None:
    counts = Path("/proc/self/io")
    if not counts.exists():
        pytest.skip("written bytes are counted in /proc")
    server = start(tmp_path / "store", "--workers", "0")
    try:
        with server.client() as client:
            client.post("/indexer/partition/p/file/small", files={"file": ("a.txt", b"a")})
            before, content = _written(server), b"words and more " * 1_400_000
            assert client.post(FILE, files={"file": ("a.txt", content)}).status_code == 201
            n_bytes = _written(server) - before
            assert len(content) < n_bytes < 1.2 * len(content)
            for n in range(3):
                assert client.post(FILE, files={"file": ("a.txt", b"again")}).status_code == 409
                assert client.post(f"{FILE}{n}", files={"wrong": ("a.txt", b"x" * 2_000_000)}).status_code == 422
            assert {
                len(path.read_bytes()) for path in (tmp_path / "store" / "blobs").rglob("*") if path.is_file()
            } == {
                1,
                len(content),
            }
            # A form is closed behind its answer.
            wait_until(lambda: not any((tmp_path / "store" / "spool").iterdir()), 10)
    finally:
        assert server.stop() == 0


def _written(server: Server) -> int:
    found = re.search(r"wchar: (\d+)", Path(f"/proc/{server.process.pid}/io").read_text())
    assert found
    return int(found[1])
