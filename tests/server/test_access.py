"""A server without a token against pages in its user's browser: by the headers that browsers send, sent by hand."""

import socket
from collections.abc import Iterator

import httpx
import pytest

from openrag_cli.config.secret import Secret
from openrag_cli.config.settings import load
from openrag_cli.server.guards.access import Access
from openrag_cli.server.uvicorn_server import options_of

from .conftest import Server, start

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CROSS = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}


def access(**flags: object) -> Access:
    given = {key: value for key, value in flags.items() if value is not None}
    return options_of(load(given, {"OPENRAG_CONFIG": "/dev/null"}).settings).access


def refused(guard: Access, method: str = "POST", version: str = "1.1", **headers: str) -> str | None:
    raw = [(key.replace("_", "-").encode(), value.encode()) for key, value in headers.items()]
    scope = {
        "type": "http", "method": method, "path": "/partition/p", "headers": raw, "http_version": version,
        "server": ("127.0.0.1", 8080),
    }  # fmt: skip
    found = guard.refusal(scope)
    return found[2] if found else None


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST:8080", "localhost.", "127.0.0.1:8080", "127.0.0.2", "127.9.9.9:1", "[::1]:8080", "[::1]",
        "[::ffff:127.0.0.1]:8080", socket.gethostname(), "openrag.localhost:8080",
    ],
)  # fmt: skip
def test_names_of_this_machine_are_answered(host: str) -> None:
    assert refused(access(), "GET", host=host) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "evil-localhost", "",
        "8.8.8.8", "[2001:db8::1]:8080", "host.docker.internal:8080", "127.0.0.1@evil.example", "::1.evil.example",
    ],
)  # fmt: skip
@pytest.mark.parametrize("bound", ["127.0.0.1", "0.0.0.0"])
def test_a_name_that_somebody_points_at_this_machine_is_refused_with_and_without_insecure(
    host: str, bound: str
) -> None:
    assert refused(access(host=bound), "GET", host=host) == "wrong_host"


def test_the_bound_address_the_allowed_and_the_public_name_are_answered() -> None:
    guard = access(
        host="10.1.2.3", allowed_hosts=["Rag.Example", "[fd00::5]"], public_url="https://docs.example:8443/rag"
    )
    for host in ("10.1.2.3:8080", "rag.example:9", "[fd00::5]:8080", "docs.example", "127.0.0.1"):
        assert refused(guard, "GET", host=host) is None
    assert refused(guard, "GET", host="other.example") == "wrong_host"


def test_a_server_with_a_token_off_loopback_answers_to_any_name_unless_names_are_given() -> None:
    token = {"auth_token": "long enough".replace(" ", "-")}
    assert refused(access(host="0.0.0.0", **token), "GET", host="any.example") == "not_authenticated"
    assert refused(access(host="0.0.0.0", allowed_hosts="a.example", **token), host="b.example") == "wrong_host"


def test_http_1_0_needs_no_host() -> None:
    assert refused(access(), "GET", version="1.0") is None
    assert refused(access(), "GET", version="1.1") == "wrong_host"


OWN = {"host": "127.0.0.1:8080"}


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, None),  # curl, the official clients, the command line
        ({"origin": "http://127.0.0.1:8080"}, None),
        ({"origin": "http://127.0.0.1:8080", "sec_fetch_site": "same-origin"}, None),
        ({"sec_fetch_site": "none"}, None),
        ({"origin": "http://ours.example", "sec_fetch_site": "cross-site"}, None),  # in OPENRAG_CORS_ORIGINS
        ({"origin": "http://evil.example"}, "wrong_origin"),
        ({"origin": "http://evil.example", "sec_fetch_site": "cross-site"}, "wrong_origin"),
        ({"origin": "null"}, "wrong_origin"),
        ({"origin": "http://127.0.0.1:3000", "sec_fetch_site": "same-site"}, "wrong_origin"),
        ({"origin": "http://localhost:8080"}, "wrong_origin"),
        ({"sec_fetch_site": "cross-site"}, "wrong_origin"),
        ({"sec_fetch_site": "same-site"}, "wrong_origin"),
        ({"origin": "http://127.0.0.1:8080.evil.example"}, "wrong_origin"),
        ({"origin": "file://"}, "wrong_origin"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_only_pages_of_the_server_and_of_allowed_origins_may_write(
    method: str, headers: dict[str, str], code: str | None
) -> None:
    for bound in ("127.0.0.1", "0.0.0.0"):
        guard = access(host=bound, cors_origins="http://ours.example")
        assert refused(guard, method, **OWN, **headers) == code
    guarded = access(cors_origins="http://ours.example", auth_token="a-long-token")
    assert refused(guarded, method, **OWN, **headers) == "not_authenticated", "a page does not know the token"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, None),
        ({"sec_fetch_site": "same-origin", "sec_fetch_mode": "cors"}, None),
        ({"sec_fetch_site": "none", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}, None),
        # a link in a chat's answer to its source
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}, None),
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "cors", "origin": "http://ours.example"}, None),
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors", "sec_fetch_dest": "image"}, "wrong_origin"),
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors", "sec_fetch_dest": "script"}, "wrong_origin"),
        ({"sec_fetch_site": "same-site", "sec_fetch_mode": "no-cors", "sec_fetch_dest": "empty"}, "wrong_origin"),
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "iframe"}, "wrong_origin"),
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "cors", "origin": "http://evil.example"}, "wrong_origin"),
        ({"sec_fetch_site": "cross-site"}, "wrong_origin"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_foreign_page_makes_a_server_without_a_token_read_nothing_either(
    method: str, headers: dict[str, str], code: str | None
) -> None:
    assert refused(access(cors_origins="http://ours.example"), method, **OWN, **headers) == code


def test_a_token_is_compared_as_the_bytes_of_utf_8() -> None:
    guard = Access(token=Secret("pâsswörd-ключ"), any_host=True)
    scope = {"method": "GET", "path": "/partition", "headers": [(b"authorization", "Bearer pâsswörd-ключ".encode())]}
    assert guard.refusal(scope) is None
    for wrong in (
        "Bearer pâsswörd-ключ".encode("utf-16"),
        b"Bearer p\xe2ssw\xf6rd",
        b"Bearer \xff\xfe",
        b"",
        b"Bearer",
    ):
        assert guard.refusal({**scope, "headers": [(b"authorization", wrong)]})[0] == 401  # type: ignore[index]


# --- on a live server


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Iterator[Server]:
    """A server without a token on another loopback address, as `openrag serve --host 127.0.0.2`."""
    server = start(tmp_path_factory.mktemp("own") / "store", "--host", "127.0.0.2", "--allowed-host", "mine.example")
    yield server
    assert server.stop() == 0


def test_a_foreign_page_can_write_nothing(own: Server) -> None:
    with own.client() as client:
        evil = {"Origin": "http://evil.example", **CROSS}
        page = {"file": ("a.md", b"the new bank account is 666")}
        assert client.post("/indexer/partition/p/file/a", files=page, headers=evil).status_code == 403
        assert client.post("/partition/p", headers=evil | FORM).json()["code"] == "wrong_origin"
        assert client.delete("/partition/p", headers=evil).status_code == 403
        said = {"model": "openrag-all", "messages": [{"role": "user", "content": "hi"}]}
        assert client.post("/v1/chat/completions", json=said, headers=evil).status_code == 403
        assert client.get("/partition").json()["partitions"] == []
        for path in ("/doctor", "/search?text=bank", "/metrics"):
            assert client.get(path, headers=evil).json()["code"] == "wrong_origin", path
            assert client.head(path, headers=CROSS).status_code == 403
        preflight = evil | {"Access-Control-Request-Method": "DELETE"}
        assert "access-control-allow-origin" not in client.options("/partition/p", headers=preflight).headers


def test_a_rebound_name_reads_nothing_and_the_refusal_says_how_to_allow_it(own: Server) -> None:
    with own.client() as client:
        answer = client.get("/partition", headers={"Host": "evil.example:8080"})
        assert answer.status_code == 400
        assert "--allowed-host evil.example" in answer.json()["detail"]
        assert "host.docker.internal" in answer.json()["detail"]
        crafted = client.get("/partition", headers={"Host": "<script>"})
        assert crafted.status_code == 400
        assert "script" not in crafted.text


def test_programs_pages_of_the_server_and_allowed_names_still_work(own: Server) -> None:
    with own.client() as client:
        assert own.url.startswith("http://127.0.0.2:")
        assert client.post("/partition/by-curl").status_code == 201
        origin = {"Origin": own.url, "Sec-Fetch-Site": "same-origin"}
        assert client.post("/partition/by-page", headers=origin).status_code == 201
        posted = client.post(
            "/indexer/partition/q/file/a", files={"file": ("a.md", b"text")}, headers={"Host": "mine.example:99"}
        )
        assert posted.json()["task_status_url"].startswith("http://mine.example:99/indexer/task/")
        assert client.get("/livez").headers["cross-origin-resource-policy"] == "same-origin"
    host, port = own.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
        assert b" 200 " in connection.recv(4096)


def test_json_endpoints_take_json_alone(own: Server) -> None:
    body = '{"model": "openrag-all", "messages": [{"role": "user", "content": "hi"}]}'
    with own.client() as client:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
            for path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings"):
                answer = client.post(path, content=body, headers={"Content-Type": kind} if kind else {})
                assert answer.status_code == 415, (kind, path, answer.text)
        answer = client.post(
            "/v1/chat/completions", content=body, headers={"Content-Type": "application/json; charset=utf-8"}
        )
        assert answer.status_code == 200


def test_links_are_below_the_public_url_where_one_is_set_and_refusals_are_counted(tmp_path) -> None:
    env = {"OPENRAG_PUBLIC_URL": "https://docs.example/rag/", "AUTH_TOKEN": "a-long-token \n"}
    server = start(tmp_path / "store", env=env)
    try:
        with server.client(headers={"Authorization": "Bearer a-long-token"}) as client:
            posted = client.post("/indexer/partition/q/file/a", files={"file": ("a.md", b"text")})
            assert posted.json()["task_status_url"].startswith("https://docs.example/rag/indexer/task/")
            assert httpx.get(f"{server.url}/partition").status_code == 401
            assert 'openrag_refused_requests_total{reason="not_authenticated"} 1.0' in client.get("/metrics").text
    finally:
        assert server.stop() == 0
