"""What real clients, proxies and pages send: heads, prefixes, names, ranges, and what is searched by request."""

import http.client
import json
import signal
import threading

import httpx
import openai
import pytest
from stub_llm import stub_llm

from .conftest import AUTH, KEYS, PAGE, added, raw, start

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
CALL = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}
QUESTION = [{"role": "user", "content": "How often are API keys rotated?"}]


@pytest.fixture(scope="module")
def appending(tmp_path_factory):
    """A server that ends every answer with its sources."""
    running = start(tmp_path_factory.mktemp("appending") / "store", env={"OPENRAG_CHAT_SOURCES": "append"})
    with running.client() as client:
        added(client, "/indexer/partition/ops/file/keys.md", KEYS, "keys.md")
    yield running
    assert running.stop() == 0


@pytest.mark.parametrize("prefix", ["", "/rag"])
def test_a_proxy_may_keep_the_prefix_or_take_it_off(prefixed, prefix):
    base = prefixed.url.removesuffix("/rag") + prefix
    assert httpx.get(f"{base}/livez").status_code == 200
    refused = httpx.get(f"{base}/v1/models")
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "not_authenticated")
    missing = httpx.get(f"{base}/v1/models/nope", headers=AUTH)
    assert missing.json()["error"]["code"] == "model_not_found"
    assert httpx.get(f"{base}//v1//models/", headers=AUTH).status_code == 200
    assert httpx.get(f"{base}/openapi.json", headers=AUTH).json()["servers"] == [{"url": "/rag"}]
    assert "Warning" not in (prefixed.store.parent / "server.log").read_text()


def test_a_page_may_read_why_it_was_refused(prefixed):
    base = prefixed.url.removesuffix("/rag")
    for path, headers in (("/v1/models", PAGE), ("/v1/models/nope", PAGE | AUTH), ("/v1/models", PAGE | AUTH)):
        answer = httpx.get(f"{base}{path}", headers=headers)
        assert answer.headers["access-control-allow-origin"] == "http://app.example"
        assert "Retry-After" in answer.headers["access-control-expose-headers"]
    private = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Private-Network": "true"}
    assert httpx.options(f"{base}/v1/models", headers=PAGE | private).status_code == 200


@pytest.mark.parametrize(
    "path", ["/livez", "/v1/models", "/partition/ops/content/keys.md", "/metrics", "/openapi.json"]
)
def test_head_is_get_without_its_body(plain, path):
    with plain.client() as client:
        head = client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == client.get(path).headers["content-type"]


def test_the_methods_of_a_path_are_told(plain):
    with plain.client() as client:
        refused = client.put("/partition/ops")
        assert refused.status_code == 405
        assert {"GET", "POST", "DELETE"} <= set(refused.headers["allow"].split(", "))
        assert "GET" in client.options("/v1/models").headers["allow"]


def test_an_original_has_length_validator_and_ranges(plain):
    with plain.client() as client:
        path, content = "/partition/ops/content/keys.md", KEYS.encode()
        whole = client.get(path)
        assert (whole.content, whole.headers["content-length"]) == (content, str(len(content)))
        assert client.get(path, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
        for wanted, expected in (
            ("bytes=2-5", content[2:6]),
            ("bytes=-4", content[-4:]),
            ("bytes=10-", content[10:]),
        ):
            part = client.get(path, headers={"Range": wanted})
            assert (part.status_code, part.content) == (206, expected)
        assert client.get(path, headers={"Range": "bytes=9999-"}).status_code == 416
        assert client.get(path, headers={"Range": "bytes=2-5", "If-Range": '"other"'}).content == content


@pytest.mark.parametrize(
    "head",
    [
        "GET http://127.0.0.1/livez HTTP/1.1\r\nHost: 127.0.0.1\r\n",
        "GET /livez HTTP/1.0\r\n",
        "GET /livez HTTP/1.1\r\nHost: localhost.\r\n",
        "GET //livez/ HTTP/1.1\r\nHost: localhost\r\n",
    ],
)
def test_rare_heads_are_answered(plain, head):
    assert " 200 " in raw(plain, f"{head}Connection: close\r\n\r\n".encode()).split("\r\n")[0]


@pytest.mark.parametrize(
    ("number", "disposition"),
    [
        (1, "filename*=UTF-8''Gr%C3%B6%C3%9Fe.md"),
        (2, "filename=\"=?utf-8?B?R3LDtsOfZS5tZA==?=\"; filename*=utf-8''Gr%C3%B6%C3%9Fe.md"),
        (3, 'filename="=?utf-8?B?R3LDtsOfZS5tZA==?="'),
        (4, 'filename="Größe.md"'),
    ],
)
def test_a_file_name_is_read_as_real_clients_send_it(plain, number, disposition):
    body = f'--B\r\nContent-Disposition: form-data; name="file"; {disposition}\r\n\r\n# A\n\nwords\n\r\n--B--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    with plain.client() as client:
        posted = client.post(f"/indexer/partition/names/file/n{number}", content=body.encode(), headers=headers)
        task = client.get(posted.json()["task_status_url"]).json()
    assert (posted.status_code, task["details"]["filename"]) == (201, "Größe.md")


def test_a_compressed_body_is_refused_and_an_upload_is_a_file_for_generators(plain):
    with plain.client() as client:
        zipped = client.post("/v1/chat/completions", content=b"x", headers={"Content-Encoding": "gzip"})
        assert zipped.status_code == 415
        schemas = client.get("/openapi.json").json()["components"]["schemas"]
        uploads = [entry for name, entry in schemas.items() if name.startswith("Body_add_file")]
        assert uploads[0]["properties"]["file"]["format"] == "binary"


def test_an_idle_connection_outlives_a_pause(plain):
    host, port = plain.url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    connection.request("GET", "/livez")
    connection.getresponse().read()
    assert not threading.Event().wait(6)  # uvicorn's own limit is five seconds
    connection.request("GET", "/livez")
    assert connection.getresponse().status == 200
    connection.close()


# --- shapes of messages


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": [{"type": "text", "text": "see"}, IMAGE]}, *QUESTION],
        [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}, *QUESTION],
        [{"role": "user", "content": ["How often are API keys rotated?"]}],
        [{"role": "system", "content": "How often are API keys rotated?"}],
        [*QUESTION, CALL, {"role": "function", "name": "f", "content": "3"}],
    ],
)  # fmt: skip
def test_legal_shapes_of_messages_are_answered(plain, messages):
    with plain.client() as client:
        answer = client.post(
            "/v1/chat/completions", json={"model": "openrag-ops", "messages": messages, "max_tokens": -1}
        )
    assert answer.status_code == 200, answer.text
    assert "90 days" in answer.json()["choices"][0]["message"]["content"]


def test_names_of_models_as_clients_write_them_and_several_prompts(plain):
    with plain.client() as client:
        for name in ("openai/openrag-ops", "openrag-ops:latest"):
            assert client.post("/v1/chat/completions", json={"model": name, "messages": QUESTION}).status_code == 200
        asked = {"model": "openrag-ops", "prompt": ["How often are API keys rotated?", "Who descales the boiler?"]}
        choices = client.post("/v1/completions", json=asked).json()["choices"]
    assert [choice["index"] for choice in choices] == [0, 1]
    assert "Brandauer" in choices[1]["text"]


# --- what is searched, by request


def sources(answer) -> list[str]:
    return [source["file_id"] for source in answer.json()["extra"]["sources"]]


@pytest.mark.parametrize("route", ["chat/completions", "completions"])
@pytest.mark.parametrize("form", ["openrag", "metadata"])
def test_filter_files_and_top_k_are_obeyed_by_request(plain, route, form):
    with plain.client() as client:

        def ask(**options):
            told = {"openrag": options} if form == "openrag" else {"metadata": {"openrag": json.dumps(options)}}
            asked = {"messages": QUESTION} if route.startswith("chat") else {"prompt": QUESTION[0]["content"]}
            return client.post(f"/v1/{route}", json={"model": "openrag-ops", **asked, **told})

        assert sorted(sources(ask())) == ["boiler.md", "keys.md"]
        assert sources(ask(filter="year = 2020")) == ["boiler.md"]
        assert sources(ask(files=["keys.md"])) == ["keys.md"]
        assert sources(ask(top_k=1)) == ["keys.md"]
        assert ask(mode="text").status_code == 200
        for wrong in ({"fliter": "year = 1"}, {"top_k": 0}, {"filter": "year ="}):
            assert ask(**wrong).status_code == 400


def test_sources_are_appended_where_that_is_asked_for(plain):
    with openai.OpenAI(base_url=f"{plain.url}/v1", api_key="none", max_retries=0) as client:
        asked = {"model": "openrag-ops", "messages": QUESTION, "extra_body": {"openrag": {"sources": "append"}}}
        whole = client.chat.completions.create(**asked).choices[0].message.content
        pieces = client.chat.completions.create(**asked, stream=True)
        streamed = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    assert whole == streamed
    assert whole.splitlines()[-1].startswith("[1] keys.md:")


CLIENTS = {
    # as recorded: what each sends for one question, and where it reads the answer
    "aichat": {"stream": True, "messages": QUESTION},
    "aichat with its prompt": {
        "stream": True,
        "messages": [{"role": "system", "content": "Answer in one line."}, *QUESTION],
        "temperature": 0.0,
        "max_tokens": 4096,
    },
    "llm": {"stream": True, "messages": QUESTION, "stream_options": {"include_usage": True}},
}


@pytest.mark.parametrize("name", CLIENTS)
def test_command_line_clients_print_the_sources_where_the_server_appends_them(appending, name):
    headers = {"Authorization": "Bearer any", "Content-Type": "application/json", "Accept": "*/*"}
    with appending.client() as client:
        body = json.dumps({"model": "openrag-ops", **CLIENTS[name]})
        answer = client.post("/v1/chat/completions", content=body, headers=headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    pieces = [piece for line in lines for piece in json.loads(line)["choices"]]
    text = "".join(piece["delta"].get("content") or "" for piece in pieces)
    assert "90 days" in text
    assert text.splitlines()[-1].startswith("[1] keys.md:")


def test_the_official_client_reads_responses_and_their_citations(plain):
    with openai.OpenAI(base_url=f"{plain.url}/v1", api_key="none", max_retries=0) as client:
        made = client.responses.create(
            model="openrag-ops",
            instructions="Be brief.",
            input=[{"role": "user", "content": [{"type": "input_text", "text": QUESTION[0]["content"]}]}],
            extra_body={"openrag": {"files": ["keys.md"]}},
            store=True,
        )
        assert "90 days" in made.output_text
        assert (made.status, made.store) == ("completed", False)
        assert any("store" in warning for warning in made.model_extra["extra"]["warnings"])
        citation = made.output[0].content[0].annotations[0]
        assert (citation.type, citation.file_id) == ("file_citation", "keys.md")
        assert made.output_text[citation.index :].startswith("[1]")
        source = made.model_extra["extra"]["sources"][0]
        assert httpx.get(source["file_url"]).content == KEYS.encode()
        assert source["_id"] in source["chunk_url"]
        with client.responses.stream(model="openrag-ops", input=QUESTION[0]["content"]) as stream:
            kinds = [event.type for event in stream]
            final = stream.get_final_response()
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert "response.output_text.delta" in kinds
    assert "90 days" in final.output_text


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"previous_response_id": "resp_1"}, 400),
        ({"tools": [{"type": "function", "name": "f"}]}, 400),
        ({"background": True}, 400),
        ({"background": True, "stream": True}, 400),
        ({"prompt": {"id": "pmpt_1"}}, 400),
        ({"background": False, "prompt": None}, 200),
        ({"openrag": {"fliter": "x"}}, 400),
        ({"model": "openrag-nope"}, 404),
        ({"input": []}, 400),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, 400),
    ],
)
def test_what_a_response_cannot_keep_is_refused(plain, wrong, code):
    with plain.client() as client:
        asked = {"model": "openrag-ops", "input": "How often?"} | wrong
        assert client.post("/v1/responses", json=asked).status_code == code


def test_the_end_of_the_server_ends_a_stream_with_an_event(tmp_path):
    with stub_llm() as stub:
        env = {"OPENRAG_LLM_BASE_URL": stub.url, "OPENRAG_LLM_MODEL": "endless"}
        server = start(tmp_path / "store", "--workers", "0", env=env)
        with server.client(headers={"Accept": "text/event-stream"}) as client:
            client.post("/partition/ops")
            body = {"model": "openrag-ops", "messages": QUESTION, "stream": True}
            with client.stream("POST", "/v1/chat/completions", json=body) as answer:
                lines = answer.iter_lines()
                next(lines)
                server.process.send_signal(signal.SIGTERM)
                rest = [line for line in lines if line]
        assert server.process.wait(60) == 0
    assert json.loads(rest[-2].removeprefix("data: "))["error"]["code"] == "shutting_down"
    assert rest[-1] == "data: [DONE]"
    assert "Traceback" not in (tmp_path / "server.log").read_text()
