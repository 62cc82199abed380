"""Every row of the HTTP contract: the shape of success, the status and text of each error."""

import json
import re
import socket
import threading
from urllib.parse import quote

import httpx
import pytest

from openrag_cli import errors
from openrag_cli.contract.error_codes import TABLE, status_of

from .conftest import add, added, start, wait_for

KEYS = "# Keys\n\nRotate every key every 90 days with `kms rotate`.\n"
ODD_IDS = [
    "it's \"quoted\".md", "two  spaces.md", "café/naïve.md", "日本/東京.md", "🦄 emoji.md", "100%.md", "a#b?c&d=e+f.md",
    "deep/er/path.md", "%2F literal.md", "semi;colon:at@.md", "..", "e\u0301 nfd.md", "؟ عربى.md",
]  # fmt: skip


@pytest.mark.parametrize("kind", TABLE, ids=lambda kind: kind.__name__)
def test_every_error_has_a_status(kind):
    assert 400 <= status_of(kind) < 600


def test_no_mistake_of_a_caller_is_a_5xx():
    for family in (errors.InvalidInput, errors.NotFound, errors.Conflict, errors.NotAuthenticated, errors.Forbidden):
        assert 400 <= status_of(family) < 500


def test_system_routes(client):
    health = client.get("/health_check")
    assert (health.status_code, health.json()) == (200, "RAG API is up.")
    assert client.get("/livez").json()["status"] == "ok"
    assert client.get("/readyz").json() == {"status": "ok", "missing": [], "answers": "extractive"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", client.get("/version").json()["version"])
    assert "openrag_tasks{" in client.get("/metrics").text
    assert client.get("/openapi.json").json()["info"]["title"] == "openrag"
    home = client.get("/")
    assert (home.status_code, home.headers["location"]) == (307, "/docs")
    docs = client.get("/docs")
    assert docs.status_code == 200
    assert "/indexer/partition/{partition}/file/{file_id}" in docs.text
    assert "://" not in docs.text  # it loads nothing from anywhere
    assert "<script" not in docs.text
    assert "default-src 'none'" in docs.headers["content-security-policy"]
    assert client.get("/queue/info").json()["workers"]["running"] == 1


def test_a_file_from_upload_to_extract(client, partition):
    path = f"/indexer/partition/{partition}/file/ops/keys.md"
    answer = add(client, path, KEYS, "keys.md", metadata='{"year": 2024}')
    assert answer.status_code == 201
    url = answer.json()["task_status_url"]
    assert re.fullmatch(
        rf"{client.base_url}indexer/task/[0-9a-f]{{48}}",
        url.replace(str(client.base_url) + "/", str(client.base_url)),
    )
    status = wait_for(client, url)
    assert status["task_state"] == "COMPLETED"
    assert status["details"] == {
        "partition": partition,
        "file_id": "ops/keys.md",
        "filename": "keys.md",
        "metadata": {"year": 2024},
    }
    assert "error_url" not in status
    logs = client.get(f"{url}/logs", params={"max_lines": 1}).json()["logs"]
    assert len(logs) == 1
    assert re.fullmatch(r"\S+ - INFO - 1 chunks indexed", logs[0])

    hits = client.get("/search", params={"text": "rotate keys", "partitions": partition}).json()["documents"]
    assert hits[0]["metadata"]["file_id"] == "ops/keys.md"
    assert hits[0]["metadata"]["year"] == 2024
    assert {"_id", "partition", "filename", "page", "score"} <= hits[0]["metadata"].keys()
    extract = client.get(hits[0]["link"]).json()
    assert extract["page_content"] == hits[0]["content"]
    assert extract["metadata"]["_id"] == hits[0]["metadata"]["_id"]
    for inside in (f"/search/partition/{partition}", f"/search/partition/{partition}/file/ops%2Fkeys.md"):
        assert client.get(inside, params={"text": "keys"}).json()["documents"][0]["link"] == hits[0]["link"]

    details = client.get(f"/partition/{partition}/file/ops/keys.md").json()
    assert details["documents"] == [{"link": hits[0]["link"]}]
    assert details["metadata"]["filename"] == "keys.md"
    listed = client.get(f"/partition/{partition}/").json()["files"]
    assert [(entry["file_id"], client.get(entry["link"]).status_code) for entry in listed] == [("ops/keys.md", 200)]
    chunks = client.get(f"/partition/{partition}/chunks").json()["chunks"]
    assert [chunk["link"] for chunk in chunks] == [hits[0]["link"]]
    exists = client.get(f"/partition/check-file/{partition}/file/ops/keys.md")
    assert exists.json() == f"File 'ops/keys.md' exists in partition '{partition}'."
    content = client.get(f"/partition/{partition}/content/ops/keys.md")
    assert content.text == KEYS
    assert content.headers["content-disposition"].startswith("attachment")
    entry = next(p for p in client.get("/partition/").json()["partitions"] if p["partition"] == partition)
    assert isinstance(entry["created_at"], int)

    edited = client.patch(path, data={"metadata": '{"tag": "x"}'})
    assert edited.json() == {"message": "Metadata for file 'ops/keys.md' successfully updated."}
    after = client.get(hits[0]["link"]).json()["metadata"]
    assert (after["year"], after["tag"]) == (2024, "x")
    assert client.delete(path).status_code == 204
    assert client.get(hits[0]["link"]).status_code == 404
    assert client.delete(path).json()["detail"] == f"File 'ops/keys.md' not found in partition '{partition}'."


def test_a_replacement_keeps_the_old_version_until_it_is_complete_and_for_good_when_it_fails(client, partition):
    path = f"/indexer/partition/{partition}/file/keys"
    missing = client.put(path, files={"file": ("keys.md", KEYS)})
    assert (missing.status_code, missing.json()["detail"]) == (
        404,
        f"File 'keys' not found in partition '{partition}'.",
    )
    added(client, path, KEYS, "keys.md")
    failed = client.put(path, files={"file": ("keys.pdf", b"%PDF-1.7 broken")})
    assert failed.status_code == 202
    status = wait_for(client, failed.json()["task_status_url"])
    assert status["task_state"] == "FAILED"
    trace = client.get(status["error_url"]).json()
    assert trace["traceback"]
    assert client.get(f"/search/partition/{partition}", params={"text": "rotate"}).json()["documents"]
    done = client.put(path, files={"file": ("keys.md", "# New\n\nAll keys are xylophones.")})
    assert wait_for(client, done.json()["task_status_url"])["task_state"] == "COMPLETED"
    hits = client.get(f"/search/partition/{partition}", params={"text": "rotate"}).json()["documents"]
    assert ["xylophones" in hit["content"] for hit in hits] == [True]


def test_errors_of_uploads(client, partition):
    path = f"/indexer/partition/{partition}/file/a"
    added(client, path, KEYS)
    again = add(client, path, KEYS)
    assert (again.status_code, again.json()["detail"]) == (409, f"File 'a' already exists in partition {partition}")
    base = f"/indexer/partition/{partition}/file"
    assert add(client, f"{base}/b", KEYS, metadata="{").status_code == 400
    assert add(client, f"{base}/b", KEYS, metadata="[1]").status_code == 400
    assert add(client, f"{base}/%00", KEYS).status_code == 400
    assert add(client, f"{base}/%ff", KEYS).status_code == 400
    assert add(client, "/indexer/partition/all/file/b", KEYS).status_code == 400
    assert client.post(f"{base}/b", data={"metadata": "{}"}).status_code == 422
    picture = add(client, f"{base}/b", b"\x89PNG\r\n\x1a\n" + bytes(64), "b.png")
    assert picture.status_code == 415
    assert ".pdf" in picture.json()["detail"]
    assert client.patch(f"{base}/none", data={"metadata": "{}"}).status_code == 404
    assert client.patch(path, data={"metadata": "nonsense"}).status_code == 400


def test_errors_of_tasks(client, partition):
    unknown = "0" * 48
    for suffix in ("", "/logs", "/error"):
        answer = client.get(f"/indexer/task/{unknown}{suffix}")
        assert answer.status_code == 404
        assert unknown in answer.json()["detail"]
    task = added(client, f"/indexer/partition/{partition}/file/a", KEYS)
    url = f"/indexer/task/{task['task_id']}"
    assert client.get(f"{url}/error").json()["detail"] == f"No error found for task '{task['task_id']}'."
    assert client.delete(url).status_code == 409
    assert client.delete(f"/indexer/task/{unknown}").status_code == 404
    listed = client.get("/queue/tasks", params={"task_status": "COMPLETED"}).json()["tasks"]
    assert any(entry["task_id"] == task["task_id"] for entry in listed)
    for spelling in ("completed", "Completed"):
        again = client.get("/queue/tasks", params={"task_status": spelling}).json()["tasks"]
        assert any(entry["task_id"] == task["task_id"] for entry in again)
    assert client.get("/queue/tasks", params={"task_status": "ACTIVE"}).json()["tasks"] == []
    assert client.get("/queue/tasks", params={"task_status": "nonsense"}).status_code == 422
    page = client.get("/queue/tasks", params={"limit": 1}).json()
    assert page["total"] >= len(page["tasks"]) == 1
    if page["next"]:
        assert client.get("/queue/tasks", params={"limit": 1, "after": page["next"]}).json()["tasks"] != page["tasks"]
    for path in ("/queue/tasks", f"/partition/{partition}/chunks"):
        assert client.get(path, params={"after": "nonsense"}).status_code == 400
    for path, name in (
        ("/queue/tasks", "tasks"),
        (f"/partition/{partition}/chunks", "chunks"),
        (f"/partition/{partition}", "files"),
    ):
        everything = client.get(path).json()
        assert (everything["total"], everything["next"]) == (len(everything[name]), None)
        page = client.get(path, params={"limit": 100_000}).json()
        assert page == everything, "streamed or not, it is the same"


def test_errors_of_partitions_and_searches(client, partition):
    assert client.get(f"/partition/{partition}").json()["detail"] == f"Partition '{partition}' not found"
    assert client.post(f"/partition/{partition}").status_code == 201
    assert client.post(f"/partition/{partition}").status_code == 409
    assert client.post("/partition/all").status_code == 400
    assert client.get(f"/partition/{partition}").json() == {"files": [], "warnings": [], "total": 0, "next": None}
    assert client.get(f"/partition/{partition}/chunks").json() == {"chunks": [], "total": 0, "next": None}
    assert client.get("/search").status_code == 422
    assert client.get("/search", params={"text": "x", "top_k": 0}).status_code == 422
    assert client.get("/search", params={"text": "x", "partitions": "none such"}).status_code == 400
    assert client.get("/search", params={"text": "x", "filter": "year >"}).status_code == 400
    assert client.get("/search/partition/none", params={"text": "x"}).status_code == 404
    assert client.get(f"/search/partition/{partition}/file/none", params={"text": "x"}).status_code == 404
    assert client.get("/extract/none").json()["detail"] == "Extract 'none' not found."
    assert client.get("/nowhere").json() == {"detail": "Not Found", "code": "not_found"}
    assert client.put("/livez").status_code == 405
    assert client.get("/v1/nowhere").json()["error"]["code"] == "not_found"
    assert client.delete(f"/partition/{partition}").status_code == 204
    assert client.delete(f"/partition/{partition}").status_code == 404


def test_filters_context_and_scores_in_searches(client, partition):
    for year in (2023, 2024):
        added(
            client,
            f"/indexer/partition/{partition}/file/{year}",
            f"# {year}\n\nKeys of {year}.",
            metadata=f'{{"year": {year}}}',
        )
    found = client.get(
        f"/search/partition/{partition}", params={"text": "keys", "filter": "year >= 2024", "context": 1}
    ).json()
    assert [hit["metadata"]["file_id"] for hit in found["documents"]] == ["2024"]
    assert (
        client.get(f"/search/partition/{partition}", params={"text": "keys", "min_score": 2}).json()["documents"]
        == []
    )


def test_values_of_a_filter_may_be_sent_beside_it(client, partition):
    for number, origin in enumerate(("source_A", 'say "B"', "source_C")):
        metadata = json.dumps({"origin": origin, "n": number})
        added(client, f"/indexer/partition/{partition}/file/{number}", "the same", metadata=metadata)

    def found(condition, values):
        asked = {"text": "same", "filter": condition, "filter_params": values, "collapse": False}
        answer = client.get(f"/search/partition/{partition}", params=asked)
        return (
            sorted(hit["metadata"]["file_id"] for hit in answer.json()["documents"])
            if answer.is_success
            else answer.status_code
        )

    assert found("origin == {o} AND n >= {low}", '{"o": "source_C", "low": 1}') == ["2"]
    assert found("origin IN {all}", '{"all": ["source_A", "say \\"B\\""]}') == ["0", "1"]
    assert found("origin == {o}", '{"o": "x\\" or n >= 0 or origin = \\""}') == [], "a value is a value"
    assert found('origin == "{o}"', '{"o": "source_A"}') == [], "in quotes it is text"
    for values in ('{"o": {}}', '{"x": 1}', "[1]", "{", '{"o": [[1]]}', '{"o": NaN}', "[" * 5000):
        assert found("origin == {o}", values) == 400, values


@pytest.mark.parametrize("file_id", ODD_IDS)
def test_odd_ids_round_trip_through_every_link(client, file_id):
    partition = f"odd ' \" é 日 % # ? {ODD_IDS.index(file_id)}"
    base = f"/indexer/partition/{quote(partition, safe='')}/file/"
    encoded = "%2E%2E" if file_id == ".." else quote(file_id, safe="")
    task = added(client, base + encoded, KEYS, metadata="{}")
    assert task["details"]["file_id"] == file_id
    assert task["details"]["partition"] == partition
    entry = client.get(f"/partition/{quote(partition, safe='')}").json()["files"][0]
    assert entry["file_id"] == file_id
    if file_id != "..":  # a client that resolves dot segments never sends this one
        details = client.get(entry["link"]).json()
        assert details["metadata"]["file_id"] == file_id
        for link in details["documents"]:
            assert client.get(link["link"]).json()["metadata"]["file_id"] == file_id


def test_trailing_slashes_mean_nothing(client):
    for path in ("/health_check", "/partition", "/queue/info", "/indexer/supported/types", "/version"):
        assert client.get(path).json() == client.get(f"{path}/").json()
        assert client.get(f"{path}/").history == []


def test_request_ids_are_echoed_or_made(client):
    assert client.get("/livez", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert re.fullmatch(r"[0-9a-f-]{16,36}", client.get("/livez").headers["x-request-id"])


def test_of_fifty_racing_posts_exactly_one_is_accepted(server, partition):
    statuses = []
    gate = threading.Barrier(50)

    def post():
        with server.client() as own:
            gate.wait()
            statuses.append(add(own, f"/indexer/partition/{partition}/file/one", KEYS).status_code)

    threads = [threading.Thread(target=post) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201] + [409] * 49
    with server.client() as own:
        assert len(own.get(f"/partition/{partition}").json()["files"]) <= 1


def test_another_host_name_is_refused_on_loopback(client):
    assert client.get("/livez", headers={"Host": "evil.example"}).status_code == 400


def test_the_token_guards_everything_but_liveness(tmp_path):
    server = start(tmp_path / "store", env={"AUTH_TOKEN": "s3crét"})
    try:
        with server.client() as client:
            for path in ("/health_check", "/openapi.json", "/search?text=x", "/partition", "/metrics"):
                refused = client.get(path)
                assert refused.status_code == 401
                assert refused.headers["www-authenticate"] == "Bearer"
            assert client.get("/livez").status_code == client.get("/readyz").status_code == 200
            for scheme in (b"Bearer", b"bearer", b"BEARER"):
                headers = {"Authorization": scheme + b" " + "s3crét".encode()}
                assert client.get("/health_check", headers=headers).status_code == 200
            for wrong in (b"Bearer nope", b"Basic s3cr\xc3\xa9t", b"Bearer", b"s3cr\xc3\xa9t"):
                assert client.get("/health_check", headers={"Authorization": wrong}).status_code == 401
    finally:
        assert server.stop() == 0
    assert "s3crét" not in (tmp_path / "server.log").read_text()


def test_a_body_over_the_limit_is_refused_before_it_is_read(tmp_path):
    server = start(tmp_path / "store", env={"OPENRAG_MAX_FILE_BYTES": "1000"})
    try:
        with server.client() as client:
            path = "/indexer/partition/p/file/a"
            assert add(client, path, b"x" * 2000).status_code == 413
            assert add(client, path, b"x" * 3_000_000).status_code == 413
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            head = f"POST /indexer/partition/p/file/b HTTP/1.1\r\nHost: {host}\r\nContent-Length: 99999999999\r\n\r\n"
            connection.sendall(head.encode())
            assert b" 413 " in connection.recv(4096)
    finally:
        assert server.stop() == 0


def test_binding_to_the_network_without_a_token_is_refused(process):
    refused = process("serve", "--host", "0.0.0.0", "--port", "0")
    assert refused.code == 78
    assert "AUTH_TOKEN" in refused.err


def test_a_taken_port_is_said_so(process, server):
    port = server.url.rsplit(":", 1)[1]
    refused = process("serve", "--port", port)
    assert refused.code == 75
    assert "is taken" in refused.err


def test_links_honour_the_root_path(tmp_path):
    server = start(tmp_path / "store", "--root-path", "/rag")
    url = server.url.removesuffix("/rag")
    try:
        with httpx.Client(base_url=url, timeout=30) as client:
            answer = add(client, "/rag/indexer/partition/p/file/a", KEYS)
            assert answer.json()["task_status_url"].startswith(f"{url}/rag/indexer/task/")
            assert client.get(answer.json()["task_status_url"]).status_code == 200
    finally:
        assert server.stop() == 0
