"""Each surprise at the door again, with other inputs of its kind than those of test_door.py."""

import http.client
import json
import re
import signal
import socket
import time

import httpx
import openai
import pytest
from stub_llm import stub_llm

from openrag_cli.config.settings import load

from .conftest import AUTH, PAGE, added, raw, start

QUESTION = [{"role": "user", "content": "How often are API keys rotated?"}]
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
NEWER_IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}

# --- a prefix in the path


@pytest.mark.parametrize(
    ("path", "status"),
    [("/rag/livez", 200), ("//rag//livez", 200), ("/ragged/livez", 404), ("/rag", 307)],
)
def test_the_prefix_alone_is_taken_off_and_once(prefixed, path, status):
    head = (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer s3cret-s3cret\r\nConnection: close\r\n\r\n"
    )
    assert f" {status} " in raw(prefixed, head.encode()).split("\r\n")[0]
    absolute = head.replace(f"GET {path}", f"GET http://localhost{path}")
    assert f" {status} " in raw(prefixed, absolute.encode()).split("\r\n")[0]


@pytest.mark.parametrize("prefix", ["", "/rag"])
def test_wrong_requests_and_links_below_a_prefix_are_as_without(prefixed, prefix):
    base = prefixed.url.removesuffix("/rag") + prefix
    wrong = httpx.post(f"{base}/v1/chat/completions", json={"model": 1}, headers=AUTH)
    assert (wrong.status_code, wrong.json()["error"]["type"]) == (400, "invalid_request_error")
    assert httpx.get(f"{base}/search", headers=AUTH).status_code == 422
    path = f"/indexer/partition/linked/file/a{len(prefix)}.md"
    posted = httpx.post(f"{base}{path}", files={"file": ("a.md", b"words")}, headers=AUTH)
    link = posted.json()["task_status_url"]
    assert link.startswith(f"{prefixed.url}/indexer/task/")
    assert httpx.get(link, headers=AUTH).json()["task_state"] == "QUEUED"
    assert httpx.get(link.replace("/rag/", "/"), headers=AUTH).status_code == 200


# --- refusals that a page may read


REFUSED = {
    400: {"url": "/v1/models", "headers": {"Host": "other.example"}},
    404: {"url": "/nope"},
    405: {"method": "PUT", "url": "/v1/models"},
    413: {"method": "POST", "url": "/partition/p", "content": b"x" * 100_000},
    415: {"method": "POST", "url": "/v1/completions", "content": b"x", "headers": {"Content-Encoding": "br"}},
    422: {"url": "/search"},
}


@pytest.mark.parametrize("status", REFUSED)
def test_every_refusal_tells_an_allowed_page_and_no_other(prefixed, status):
    request = {"method": "GET", **REFUSED[status]}
    headers = AUTH | request.pop("headers", {})
    with httpx.Client(base_url=prefixed.url) as client:
        answer = client.request(**request, headers=headers | PAGE)
        other = client.request(**request, headers=headers | {"Origin": "http://evil.example"})
    assert (answer.status_code, other.status_code) == (status, status)
    assert answer.headers["access-control-allow-origin"] == "http://app.example"
    assert "Retry-After" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in other.headers


def test_a_page_of_an_allowed_origin_may_ask_before_it_writes(prefixed):
    asked = {"Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "authorization, x-mine"}
    allowed = httpx.options(f"{prefixed.url}/partition/p", headers=PAGE | asked)
    assert allowed.status_code == 200
    assert "DELETE" in allowed.headers["access-control-allow-methods"]
    assert "x-mine" in allowed.headers["access-control-allow-headers"]
    assert httpx.options(f"{prefixed.url}/partition/p", headers={"Origin": "null"} | asked).status_code == 400


# --- methods, lengths, parts


def test_allow_is_what_the_document_says_of_every_path(plain):
    with plain.client() as client:
        document = client.get("/openapi.json").json()
        for path, operations in document["paths"].items():
            methods = {name.upper() for name in operations}
            expected = methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
            place = re.sub(r"\{\w+\}", "x", path)
            told = client.options(place)
            assert set(told.headers["allow"].split(", ")) >= expected, path
            refused = client.request("TRACE", place)
            assert (refused.status_code, refused.headers["allow"]) == (405, told.headers["allow"]), path


@pytest.mark.parametrize(
    "path", ["/nope", "/partition/ops/file/none", "/partition/ops", "/search?text=keys", "/docs"]
)
def test_a_head_leaves_the_connection_fit_for_the_next_request(plain, path):
    host, port = plain.url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    for method in ("HEAD", "GET", "HEAD"):
        connection.request(method, path)
        answer = connection.getresponse()
        assert answer.status in {200, 404}
        assert bool(answer.read()) == (method == "GET")
    connection.close()


@pytest.mark.parametrize(
    ("headers", "status", "length"),
    [
        ({"Range": "bytes=0-0"}, 206, "1"),
        ({"Range": "bytes=-9999"}, 206, "68"),
        ({"Range": "bytes=0-1,4-5"}, 200, "68"),  # several parts: the whole is allowed
        ({"Range": "pages=1-2"}, 200, "68"),
        ({"Range": "bytes=x"}, 200, "68"),
        ({"Range": "bytes=5-2"}, 200, "68"),  # no range: it is not obeyed
        ({"Range": "bytes=-"}, 200, "68"),
        ({"Range": "bytes=9999-1"}, 200, "68"),
        ({"Range": f"bytes=64-{'9' * 5000}"}, 206, "4"),
        ({"Range": f"bytes={'9' * 5000}-"}, 416, "0"),
        ({"Range": "bytes=-0"}, 416, "0"),
        ({"Range": f"bytes=-{'0' * 4999}3"}, 206, "3"),
        ({"If-None-Match": "*"}, 304, None),
        ({"If-None-Match": '"a", ETAG'}, 304, None),
        ({"If-None-Match": "W/ETAG"}, 304, None),
        ({"If-None-Match": '"a"'}, 200, "68"),
        ({"Range": "bytes=0-3", "If-Range": "ETAG"}, 206, "4"),
    ],
)
def test_parts_and_validators_of_an_original(plain, headers, status, length):
    path = "/partition/ops/content/keys.md"
    with plain.client() as client:
        tag = client.head(path).headers["etag"]
        sent = {name: value.replace("ETAG", tag) for name, value in headers.items()}
        for method in ("GET", "HEAD"):
            answer = client.request(method, path, headers=sent)
            assert (answer.status_code, answer.headers.get("content-length")) == (status, length)
            assert answer.headers["etag"] == tag


# --- work for nobody


@pytest.mark.parametrize("n_clients", [1, 3])
def test_embeddings_of_clients_that_have_left_are_given_up(tmp_path, n_clients):
    server = start(tmp_path / "store", "--workers", "0")
    text = "the ferry leaves early and the boiler is warm " * 40
    body = json.dumps({"model": "x", "input": [f"{number} {text}" for number in range(400)]})
    head = f"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    host, port = server.url.removeprefix("http://").split(":")
    try:
        for _ in range(n_clients):
            with socket.create_connection((host, int(port)), timeout=30) as leaving:
                leaving.sendall(f"{head}\r\n\r\n{body}".encode())
                time.sleep(0.3)  # it has begun, or it will find nobody there
        log = tmp_path / "server.log"
        deadline = time.monotonic() + 90  # 1,200 such texts take many minutes
        while log.read_text().count("/v1/embeddings ") < n_clients and time.monotonic() < deadline:
            time.sleep(0.1)
        statuses = re.findall(r"/v1/embeddings (\d+) ", log.read_text())
        assert len(statuses) == n_clients
        assert "200" not in statuses, "each was told of as left, none as answered"
    finally:
        assert server.stop() == 0


# --- names of files


@pytest.mark.parametrize(
    ("number", "disposition", "name"),
    [
        (1, b'filename="Gr\\"o\\"e.md"', 'Gr"o"e.md'),
        (3, b"filename*=iso-8859-1'de'Gr%F6%DFe.md", "Größe.md"),
        (4, b"filename*=utf-8''Gr%C3%B6%C3%9Fe.md; filename=\"Grosse.md\"", "Größe.md"),
        (5, b'filename="=?utf-8?Q?Gr=C3=B6=C3=9Fe=2Emd?="', "Größe.md"),
        (6, b"filename=\"Gr%C3%B6%C3%9Fe.md\"; filename*=utf-8''Gr%C3%B6%C3%9Fe.md", "Größe.md"),  # aiohttp
        (7, 'filename="日本 報告.md"'.encode(), "日本 報告.md"),
        (8, b"FileName=note.md", "note.md"),
    ],
)
def test_other_spellings_of_a_file_name(plain, number, disposition, name):
    head = b'--B\r\nContent-Disposition: form-data; name="file"; ' + disposition
    body = head + b"\r\nContent-Type: application/octet-stream\r\n\r\n# A\n\nwords\n\r\n--B--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    with plain.client() as client:
        posted = client.post(f"/indexer/partition/names/file/k{number}", content=body, headers=headers)
        assert posted.status_code == 201, posted.text
        assert client.get(posted.json()["task_status_url"]).json()["details"]["filename"] == name


# --- messages


@pytest.mark.parametrize(
    "earlier",
    [
        [{"role": "user", "content": [NEWER_IMAGE]}],
        [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}],
        [{"role": "user", "content": [{"type": "video_url", "video_url": {"url": "v"}}, "see"]}],
        [{"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "yes"}]}],
        [{"role": "assistant", "content": [IMAGE]}],
        [{"role": "system", "content": [{"type": "text", "text": "be brief"}, IMAGE]}],
        [
            {"role": "user", "content": "look"},
            {"role": "assistant", "content": None,
             "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c", "content": [IMAGE, {"type": "text", "text": "a pump"}]},
        ],
    ],
)  # fmt: skip
@pytest.mark.parametrize("route", ["chat/completions", "responses"])
def test_what_a_model_cannot_read_in_an_earlier_turn_ends_no_conversation(plain, earlier, route):
    if route == "responses" and any(message["role"] == "tool" for message in earlier):
        pytest.skip("the Responses API has no such message")
    name = "messages" if route.startswith("chat") else "input"
    with plain.client() as client:
        asked = {"model": "openrag-ops", name: [*earlier, *QUESTION]}
        answer = client.post(f"/v1/{route}", json=asked)
    assert answer.status_code == 200, answer.text
    assert "90 days" in answer.text


@pytest.mark.parametrize("image", [IMAGE, NEWER_IMAGE])
def test_an_image_alone_is_a_question_and_parts_are_sent_once_to_a_model_that_sees(tmp_path, image):
    with stub_llm() as stub:
        env = {"OPENRAG_LLM_BASE_URL": stub.url, "OPENRAG_LLM_MODEL": "echo", "OPENRAG_LLM_CAN_SEE": "true"}
        server = start(tmp_path / "store", env=env)
        try:
            with server.client() as client:
                added(client, "/indexer/partition/ops/file/a.md", "# Keys\n\nThe keys are rotated.\n")
                for content, kinds in (
                    ([image], ["image_url"]),
                    ([image, {"type": "input_text", "text": "How often?"}], ["text", "image_url"]),
                    ([image, "How often?"], ["text", "image_url"]),
                ):
                    asked = {"model": "openrag-ops", "messages": [{"role": "user", "content": content}]}
                    answer = client.post("/v1/chat/completions", json=asked)
                    assert answer.status_code == 200, answer.text
                    assert [part["type"] for part in stub.last()["messages"][-1]["content"]] == kinds
        finally:
            assert server.stop() == 0


@pytest.mark.parametrize("name", ["openai/openrag-ops:latest", "openai/partition-all", "openrag-all:latest"])
def test_a_model_is_looked_up_by_the_names_under_which_it_is_asked(plain, name):
    with openai.OpenAI(base_url=f"{plain.url}/v1", api_key="none", max_retries=0) as client:
        assert client.models.retrieve(name).id == name
        assert client.chat.completions.create(model=name, messages=QUESTION).model == name


def test_a_partition_whose_name_ends_in_latest_is_not_taken_for_another(plain):
    with plain.client() as client:
        added(client, "/indexer/partition/ops:latest/file/a.md", "# Keys\n\nAPI keys are rotated every 7 hours.\n")
        asked = {"model": "openrag-ops:latest", "messages": QUESTION}
        assert "7 hours" in client.post("/v1/chat/completions", json=asked).text
        assert client.delete("/partition/ops:latest").status_code == 204
        assert "90 days" in client.post("/v1/chat/completions", json=asked).text


# --- connections


def test_an_idle_connection_is_kept_for_as_long_as_is_set(tmp_path):
    assert load({}, {"OPENRAG_CONFIG": "/dev/null"}).settings.idle_timeout_s >= 75
    server = start(tmp_path / "store", "--workers", "0", env={"OPENRAG_IDLE_TIMEOUT_S": "1"})
    host, port = server.url.removeprefix("http://").split(":")
    try:
        for path in ("/livez", "/nope"):  # after an answer and after a refusal
            with socket.create_connection((host, int(port)), timeout=30) as connection:
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                received = connection.recv(4096)
                while block := connection.recv(4096):  # ends when the server closes, in good order
                    received += block
                assert received.startswith(b"HTTP/1.1 ")
    finally:
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"Content-Length: 3000000\r\nAuthorization: Bearer wrong", 401),
        (b"Content-Length: 3000000\r\nAuthorization: Bearer s3cret-s3cret\r\nHost: other.example", 400),
        (b"Transfer-Encoding: chunked\r\nAuthorization: Bearer wrong", 401),
    ],
)
def test_a_refused_upload_that_goes_on_reads_its_answer(prefixed, head, status):
    host, port = prefixed.url.removeprefix("http://").split("/")[0].split(":")
    own_host = b"" if b"Host:" in head else b"Host: localhost\r\n"
    block = b"x" * 100_000
    piece = b"186a0\r\n" + block + b"\r\n" if b"chunked" in head else block
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(b"POST /indexer/partition/p/file/a HTTP/1.1\r\n" + own_host + head)
        connection.sendall(b"\r\nContent-Type: multipart/form-data; boundary=B\r\n\r\n")
        for _ in range(30):
            connection.sendall(piece)
        assert connection.recv(4096).startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.parametrize("route", ["completions", "responses"])
def test_other_streams_too_end_with_an_event_when_the_server_ends(tmp_path, route):
    with stub_llm() as stub:
        env = {"OPENRAG_LLM_BASE_URL": stub.url, "OPENRAG_LLM_MODEL": "endless"}
        server = start(tmp_path / "store", "--workers", "0", env=env)
        with server.client() as client:
            client.post("/partition/ops")
            asked = {"input": "How often?"} if route == "responses" else {"prompt": "How often?"}
            body = {"model": "openrag-ops", "stream": True, **asked}
            with client.stream("POST", f"/v1/{route}", json=body) as answer:
                lines = answer.iter_lines()
                next(lines)
                server.process.send_signal(signal.SIGTERM)
                rest = [line for line in lines if line]
        assert server.process.wait(60) == 0
    assert "shutting_down" in "\n".join(rest[-3:])
    assert "Traceback" not in (tmp_path / "server.log").read_text()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET HTTP://127.0.0.1:9/livez HTTP/1.1\r\nHost: 127.0.0.1\r\n", 200),
        ("GET https://127.0.0.1/search?text=keys HTTP/1.1\r\nHost: 127.0.0.1\r\n", 200),
        ("GET http://user@127.0.0.1/livez HTTP/1.1\r\nHost: 127.0.0.1\r\n", 200),
        ("GET http://evil.example/partition HTTP/1.1\r\nHost: 127.0.0.1\r\n", 400),
        ("GET /partition HTTP/1.0\r\nHost: evil.example\r\n", 400),
        ("GET /search?text=keys HTTP/1.0\r\n", 200),
        ("HEAD /readyz HTTP/1.0\r\n", 200),
        ("GET /livez HTTP/1.1\r\nHost: LOCALHOST.:8080\r\n", 200),
        ("GET ///v1///models// HTTP/1.1\r\nHost: [::1]\r\n", 200),
        ("GET /livez HTTP/1.1\r\n", 400),
        ("GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n", 400),
    ],
)
def test_other_rare_heads(plain, head, status):
    assert f" {status} " in raw(plain, f"{head}Connection: close\r\n\r\n".encode()).split("\r\n")[0]


# --- what a generator of clients reads


def test_every_file_in_the_document_is_binary_and_every_operation_has_its_name(plain):
    with plain.client() as client:
        document = client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    files = [schema["properties"]["file"] for name, schema in schemas.items() if "file" in schema.get("properties", {})
             and name.startswith("Body_")]  # fmt: skip
    assert len(files) == 4
    assert {entry["format"] for entry in files} == {"binary"}
    content = document["paths"]["/partition/{partition}/content/{file_id}"]["get"]["responses"]["200"]["content"]
    assert "application/octet-stream" in content
    names = [one["operationId"] for operations in document["paths"].values() for one in operations.values()]
    assert len(set(names)) == len(names)
