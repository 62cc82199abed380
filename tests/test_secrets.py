"""Secrets are planted in every setting that holds one, and looked for in everything that is printed."""

import io
import json
import logging
import os
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from harness import open_engine, put
from llm_server import ask, serving
from server.conftest import start
from server.every_route import Place, every_request
from stub_llm import StubLlm, stub_llm

from openrag_cli.cli.exit_codes import ExitCode
from openrag_cli.config.secret import MASK, Secret, Url
from openrag_cli.config.settings import SETTINGS, load
from openrag_cli.errors import OpenRAGError

TREE = Path(__file__).resolve().parent.parent / "openrag_cli" / "cli" / "tree.json"
MARK = "pl4nted"
PLANTED = {
    "OPENRAG_TOKEN": f"{MARK}-client-token",
    "AUTH_TOKEN": f"{MARK}-server-token",
    "OPENRAG_LLM_API_KEY": f"{MARK}-llm-key\n",
    "RAY_ADDRESS": f"ray://me:{MARK}-ray-password@127.0.0.1:9",
}


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    """Put the root logger back: `--debug` leaves it with a stream of one test."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


@pytest.fixture(scope="module")
def stub() -> Iterator[StubLlm]:
    with stub_llm() as running:
        yield running


@pytest.fixture(params=["a key", "a password in the URL"])
def planted(request, environment, stub, tmp_path) -> dict[str, str]:
    """A store, and an LLM that repeats in its errors what it was sent; the secrets are in the environment."""
    with open_engine(tmp_path / "store") as engine:
        put(engine, "p", "a.md", "# Keys\n\nRotate every API key every 90 days.\n")
        engine.drain()
    url = stub.url if request.param == "a key" else stub.url.replace("//", f"//me:{MARK}-p%40ss@")
    variables = {**PLANTED, "OPENRAG_LLM_BASE_URL": url, "OPENRAG_LLM_MODEL": "repeats", "OPENRAG_LLM_RETRIES": "0"}
    for name, value in variables.items():
        environment.setenv(name, value)
    return variables


def commands() -> list[tuple[str, ...]]:
    """Return every command of the program."""

    def below(node: dict, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if path and not node.get("commands"):
            yield path
        for name, inner in node.get("commands", {}).items():
            yield from below(inner, (*path, name))

    return list(below(json.loads(TREE.read_text()), ()))


PASSWORD_URL = f"http://me:{MARK}-set@h/v1"
ARGUMENTS: dict[str, list[list[str]]] = {
    "ask": [["how often?"], ["how often?", "--no-llm"]],
    "backup": [["store.tar"]],
    "chat": [["-p", "p"]],
    "completion": [["bash"]],
    "config get": [["llm.api_key"], ["llm.base_url"], ["auth_token"], ["ray.address"]],
    "config path": [[]],
    "config set": [
        ["auth_token", f"{MARK}-set"],
        ["llm.base_url", PASSWORD_URL],
        ["llm.base_url", f"ftp://{MARK}@h"],
    ],
    "config show": [[], ["--origin"]],
    "config trust": [[]],
    "config unset": [["auth_token"]],
    "config untrust": [[]],
    "config validate": [[]],
    "doctor": [[]],
    "eval run": [["questions.jsonl", "-p", "p"], ["none.jsonl", "-p", "p"]],
    "export": [["-p", "p", "-o", "out"]],
    "extract show": [["0" * 32]],
    "file add": [["none.md"], ["a.md", "-p", "p", "--if-exists", "skip"]],
    "file edit": [["a.md", "-p", "p", "-m", "x=1"]],
    "file get": [["a.md", "-p", "p"]],
    "file keys": [["-p", "p"]],
    "file list": [["-p", "p"]],
    "file refresh": [["-p", "p", "a.md"]],
    "file rename": [["a.md", "b.md", "-p", "p"], ["b.md", "a.md", "-p", "p"]],
    "file replace": [["a.md", "a.md", "-p", "p"]],
    "file show": [["a.md", "-p", "p"]],
    "file sync": [["none"], ["docs", "-p", "q"]],
    "grep": [["Rotate"]],
    "help": [[], ["limits"]],
    "import": [["out", "-p", "r"]],
    "open": [["a.md", "--print"]],
    "partition create": [["s"]],
    "partition list": [[]],
    "partition show": [["p"]],
    "restore": [["none.tar"], ["store.tar"]],
    "schema": [["search"]],
    "search": [["keys"]],
    "serve": [["--host", "203.0.113.1", "--port", "1"], ["--host", f"http://me:{MARK}-host@h", "--port", "1"]],
    "session export": [["s"]],
    "session search": [["keys"]],
    "session list": [[]],
    "session show": [["s"]],
    "session delete": [["s", "--yes"]],
    "store optimize": [[]],
    "view create": [["v", "-p", "p"]],
    "view list": [[]],
    "view show": [["v"]],
    "view delete": [["v", "--yes"]],
    "task cancel": [["0" * 48]],
    "task error": [["0" * 48]],
    "task list": [[]],
    "task log": [["0" * 48]],
    "task prune": [["--older-than", "1d"]],
    "task retry": [["0" * 48]],
    "task run": [[]],
    "task show": [["0" * 48]],
    "task wait": [["0" * 48]],
    "file delete": [["a.md", "-p", "p", "--yes"]],
    "partition delete": [["p", "--yes"]],
}
"""How each command is run, in this order; one that is not here fails the test."""

MAY_BE_MISUSED = {"config set", "serve"}
"""Commands that are also given what they refuse."""


def _clean(*texts: str) -> None:
    for text in texts:
        assert MARK not in text


def test_no_command_prints_a_secret(cli, planted, tmp_path, monkeypatch) -> None:
    assert {" ".join(path) for path in commands()} == ARGUMENTS.keys(), "a new command is to be run here too"
    (tmp_path / "a.md").write_text("# Keys\n\nRotate every API key every 90 days.\n")
    (tmp_path / "questions.jsonl").write_text(
        '{"question": "how often?", "relevant": ["a.md"], "answers": ["90 days"]}'
    )
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("Keys.")
    foreign = f'auth_token = "{MARK}-folder"\n[llm]\nbase_url = "http://me:{MARK}-folder@h"\n'
    seen = ""
    for command, runs in ARGUMENTS.items():
        (tmp_path / "openrag.toml").write_text(foreign)
        asks_llm = command in {"ask", "doctor", "chat", "eval run"}
        if "@" in planted["OPENRAG_LLM_BASE_URL"] and not asks_llm and not command.startswith("config"):
            continue
        for front in ([], ["--json"], ["--debug"]) if asks_llm else ([], ["--json"]):
            for arguments in runs:
                monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"how often?\n")))
                done = cli(*front, *command.split(), *arguments)
                assert done.code != ExitCode.USAGE or command in MAY_BE_MISUSED, (command, done.err)
                assert done.code != ExitCode.BUG, (command, done.err)
                _clean(done.out, done.err)
                seen += done.out + done.err
        (tmp_path / "openrag.toml").unlink()
    assert MASK in seen, "something was there to be masked"
    assert "(401)" in seen or "answered 401" in seen, "the LLM was asked, and repeated what it was sent"
    for log in (tmp_path / "cache").rglob("*.log"):
        _clean(log.read_text())


@pytest.mark.parametrize(
    "value", ["5", "true", f'["{MARK}"]', f'{{a = "{MARK}"}}', f'"me:{MARK}\\nx@h"', f'"ftp://me:{MARK}@h"']
)
@pytest.mark.parametrize(
    "key", ["token", "auth_token", "llm.api_key", "llm.base_url", "server", "public_url", "ray.address"]
)
def test_a_value_that_is_refused_is_not_repeated(cli, environment, tmp_path, key, value) -> None:
    table, _, name = key.rpartition(".")
    (tmp_path / "given.toml").write_text((f"[{table}]\n" if table else "") + f"{name} = {value}\n")
    environment.setenv("OPENRAG_CONFIG", str(tmp_path / "given.toml"))
    for command in (
        ["config", "show"],
        ["config", "validate"],
        ["config", "get", key],
        ["doctor"],
        ["--debug", "search", "x"],
    ):
        done = cli(*command)
        assert done.code != ExitCode.BUG, done.err
        _clean(done.out, done.err)


@pytest.mark.parametrize("key", ["host", "ray.host", "allowed_hosts", "cors_origins"])
def test_what_everybody_sees_has_no_password_and_the_refusal_does_not_repeat_it(cli, environment, key) -> None:
    [setting] = [setting for setting in SETTINGS if setting.key == key]
    environment.setenv(setting.env[0], f"http://me:{MARK}@h")
    for command in (["config", "show"], ["config", "validate"], ["serve"]):
        done = cli(*command)
        assert (done.code, setting.env[0] in done.out + done.err) == (ExitCode.CONFIG, True)
        _clean(done.out, done.err)


@pytest.mark.parametrize(
    "address", ["http://me:{}@127.0.0.1:9", "http://{}@127.0.0.1:9/x", "nonsense://me:{}@h", "me:{}@[h"]
)
def test_no_command_prints_the_password_of_a_server(cli, planted, address) -> None:
    del planted
    for front in ([], ["--json"], ["--debug"]):
        for command in (["file", "list"], ["config", "show"], [], ["partition", "list"], ["doctor"]):
            done = cli(*front, "--server", address.format(f"{MARK}-server-password"), *command)
            _clean(done.out, done.err)


def test_no_route_and_no_log_of_the_server_shows_a_secret(planted, tmp_path) -> None:
    server = start(tmp_path / "store", "--workers", "0", env=planted)
    try:
        headers = {"Authorization": f"Bearer {planted['AUTH_TOKEN']}"}
        with server.client() as anybody, server.client(headers=headers) as owner:
            said = {"model": "openrag-p", "messages": [{"role": "user", "content": "how often do keys rotate?"}]}
            answer = owner.post("/v1/chat/completions", json=said)
            assert answer.status_code == 502
            assert MASK in answer.text
            _clean(answer.text, owner.post("/v1/chat/completions", json={**said, "stream": True}).text)
            task = owner.get("/queue/tasks").json()["tasks"][0]["task_id"]
            place = Place("p", "a.md", task, "0" * 48, "0" * 32, "s")
            for asked in every_request(owner, place):
                for client in (anybody, owner):
                    answer = client.request(asked.route.split(" ")[0], asked.path, **asked.options)
                    _clean(answer.text, str(answer.headers))
    finally:
        assert server.stop() == 0
    log = (tmp_path / "server.log").read_text()
    _clean(log)
    assert "(401)" in log or "answered 401" in log


def test_an_answer_reaches_an_llm_whose_key_came_with_a_newline(cli, planted, stub) -> None:
    del planted
    done = cli("ask", "how often do keys rotate?", "--model", "cites", "-p", "p")
    assert done.code == 0, done.err
    sent = stub.headers[-1]["Authorization"]
    assert sent in {f"Bearer {MARK}-llm-key", httpx.BasicAuth("me", f"{MARK}-p@ss")._auth_header}


@pytest.mark.parametrize("value", ["a\nb", "a\x00b".replace("\x00", "\x01"), "a\x7fb", " \n\t", "a\udcffb", "a\x85b"])
@pytest.mark.parametrize("name", ["OPENRAG_LLM_API_KEY", "AUTH_TOKEN", "OPENRAG_TOKEN"])
def test_what_cannot_be_a_header_is_refused_at_start_and_not_shown(cli, environment, name, value) -> None:
    os.environb[name.encode()] = value.encode("utf-8", "surrogateescape")
    environment.setenv("OPENRAG_LLM_MODEL", "m")
    for command in (["ask", "x"], ["serve"], ["config", "show"]):
        done = cli(*command)
        assert done.code == ExitCode.CONFIG
        assert name in done.err
        assert "a\\x" not in done.err
    os.environb.pop(name.encode())


@pytest.mark.parametrize("value", ["two words", "a\u00a0b", "a\u2003b"])
def test_a_token_with_a_blank_inside_is_refused(cli, environment, value) -> None:
    environment.setenv("AUTH_TOKEN", value)
    assert cli("serve").code == ExitCode.CONFIG


def test_a_short_token_on_a_public_address_is_warned_about(cli, environment) -> None:
    for token, is_warned in (("1234567", True), ("12345678", False)):
        environment.setenv("AUTH_TOKEN", f" {token}\n")
        done = cli("serve", "--host", "203.0.113.1", "--port", "1")  # of no machine: it cannot be bound
        assert done.code == ExitCode.CONFIG
        assert ("fewer than 8 characters" in done.err) is is_warned
        assert token not in done.err
        assert "fewer than" not in cli("serve", "--host", "127.0.0.1", "--port", "99999").err


# --- the types


HELD = [
    (Secret("hush"), "hush"), (Url("https://me:hush@h/v1"), "hush"), (Url("https://hush@h/v1"), "hush"),
    (Url("https://h/v1?key=hush"), "hush"), (Url("me:hush@h"), "hush"),
]  # fmt: skip


@pytest.mark.parametrize(("held", "hidden"), HELD, ids=repr)
def test_a_secret_is_masked_however_it_is_printed(held: Secret | Url, hidden: str, caplog) -> None:
    logging.getLogger("x").error("%s %r", held, held)
    with pytest.raises(TypeError):
        json.dumps({"a": held})
    try:
        raise ValueError(held, f"{held:>30}")
    except ValueError as exc:
        trace = "".join(traceback.format_exception(exc))
    shown = [
        str(held),
        repr(held),
        f"{held}",
        f"{held!r:40}",
        f"{held}",
        caplog.text,
        trace,
        json.dumps([held], default=str),
    ]
    assert not [text for text in shown if hidden in text]
    assert hidden in held.reveal()
    assert hidden not in held.hidden_in(f"you sent {held.reveal()}")


ODD = 'sk-"quo/te+d=é1234567'


@pytest.mark.parametrize(
    "written",
    [
        ODD,
        json.dumps({"Authorization": f"Bearer {ODD}"}),
        json.dumps({"headers": ODD}, ensure_ascii=False),
        json.dumps({"headers": ODD}).replace("/", "\\/"),
        f"?key={quote(ODD, safe='')}",
        f"?key={quote(ODD)}",
        f"{ODD[:-4]}...",
        f"{ODD[:8]}****",
    ],
)
def test_a_copy_of_a_secret_is_masked_however_it_is_written(written):
    shown = Secret(ODD).hidden_in(f"you sent {written}, thanks")
    assert MASK in shown
    assert shown.startswith("you sent ")
    assert shown.endswith(", thanks")
    assert not [part for part in ("quo", "te+d", "1234567", "%22") if part in shown]


def test_a_short_secret_is_masked_as_a_word_alone():
    assert Secret("no").hidden_in("no model: none, 'no'") == f"{MASK} model: none, '{MASK}'"
    assert Secret("").hidden_in("as it is") == "as it is"
    long = "".join(map(str, range(2000)))
    assert Secret(long).hidden_in(long[:4000]) == MASK


def test_secrets_in_the_query_of_a_url_are_masked_and_other_values_are_not():
    url = Url("https://h/v1?api-key=qs-1234&api-version=2024-02-01&sig=a%2Fb%2Fc")
    shown = url.hidden_in("2024-02-01 with qs-1234, a/b/c or a%2Fb%2Fc")
    assert shown == f"2024-02-01 with {MASK}, {MASK} or {MASK}"


@pytest.mark.parametrize("status", [200, 400, 401, 413, 429, 500])
@pytest.mark.parametrize(
    "body",
    [
        lambda key: {"error": {"message": f"not allowed: Bearer {key}"}},
        lambda key: {"error": json.dumps({"request": {"headers": {"authorization": f"Bearer {key}"}}})},
        lambda key: {"detail": [{"loc": ["header", "authorization"], "msg": f"bad: {key}"}]},
        lambda key: {"choices": [{"delta": {}, "finish_reason": "error", "error": {"message": f"boom {key}"}}]},
    ],
)
def test_an_error_of_an_llm_that_repeats_the_key_shows_none(status, body):
    reply = (status, {"Content-Type": "application/json"}, [json.dumps(body(ODD)).encode()])
    with serving(lambda *_: reply) as (_, url), pytest.raises(OpenRAGError) as caught:
        ask(f"{url}?api-key=qs-1234", api_key=ODD, retries=0)
    told = f"{caught.value.message} {caught.value.hint}"
    assert not [part for part in ("quo", "te+d", "1234567", "qs-1234") if part in told]


def test_settings_print_no_secret_and_are_compared_by_what_they_hold() -> None:
    environ = {**PLANTED, "OPENRAG_LLM_BASE_URL": f"http://me:{MARK}@h/v1", "OPENRAG_CONFIG": os.devnull}
    settings = load({}, environ).settings
    _clean(repr(settings), str(settings))
    assert settings == replace(settings) == load({}, environ).settings
    assert settings.auth_token == Secret(PLANTED["AUTH_TOKEN"])
    assert {setting.key for setting in SETTINGS if setting.is_secret} == {"token", "llm.api_key", "auth_token"}


def test_a_url_is_taken_apart_for_the_connection() -> None:
    url = Url("https://me:p%40ss@host:8443/v1?a=b")
    assert url.address == "https://host:8443/v1?a=b"
    assert url.credentials == ("me", "p@ss")
    assert str(url) == f"https://{MASK}@host:8443/v1?{MASK}"
    assert Url("http://h/v1").credentials is None
    assert str(Url("http://h/v1")) == "http://h/v1"
