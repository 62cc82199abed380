"""Archives and documents that want to cost much, sent to a server with a worker: each ends alone, and cheaply."""

import re
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from documents import make_zip

from .conftest import Server, added, start, wait_for

MAX_GROWTH_BYTES = 200_000_000
TYPES = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
ODF = "urn:oasis:names:tc:opendocument:xmlns"


def word(document: str | bytes, **more: str | bytes) -> bytes:
    parts = {f"word/{name}.xml": content for name, content in more.items()}
    return make_zip({"[Content_Types].xml": TYPES, "word/document.xml": document, **parts})


def laughs(n_levels: int) -> str:
    entities = "".join(
        f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' if n else '<!ENTITY l1 "lol">' for n in range(n_levels)
    )
    return f'<!DOCTYPE x [{entities}]><w:document xmlns:w="{W}"><w:t>&l{n_levels};</w:t></w:document>'


def lying(content: bytes) -> bytes:
    """Return an archive whose directory says that its parts have a byte each."""
    whole = bytearray(content)
    for at in (found.start() for found in re.finditer(b"PK\x01\x02", content)):
        whole[at + 24 : at + 28] = (1).to_bytes(4, "little")
    return bytes(whole)


def sheet(kind: str, table: str) -> bytes:
    content = (
        f'<office:document-content xmlns:office="{ODF}:office:1.0" xmlns:table="{ODF}:table:1.0" '
        f'xmlns:text="{ODF}:text:1.0"><office:body><office:spreadsheet>{table}</office:spreadsheet></office:body>'
        "</office:document-content>"
    )
    return make_zip({"mimetype": kind, "content.xml": content}, first_is_stored=True)


def workbook(rows: str) -> bytes:
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    return make_zip({
        "[Content_Types].xml": TYPES,
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{relations}"><sheets><sheet name="a" r:id="r1"/></sheets>'
        "</workbook>",
        "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="r1" Type="worksheet" Target="worksheets/a.xml"/></Relationships>',
        "xl/worksheets/a.xml": f'<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>',
    })  # fmt: skip


def pdf(content: bytes) -> bytes:
    packed = zlib.compress(content, 9)
    head = (
        b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R>>endobj\n"
    )
    stream = b"4 0 obj<</Filter/FlateDecode/Length %d>>stream\n%s\nendstream endobj\n" % (len(packed), packed)
    return head + stream + b"trailer<</Root 1 0 R>>\n"


def nested_mail(n_levels: int) -> bytes:
    heads = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(n_levels))
    return f"From: a@b\nSubject: x\nMIME-Version: 1.0\n{heads}Content-Type: text/plain\n\ndeep\n".encode()


ODS, ODT = "application/vnd.oasis.opendocument.spreadsheet", "application/vnd.oasis.opendocument.text"
FAR = 'repeated="1000000000"'
CELL = "<table:table-cell{}><text:p>1</text:p></table:table-cell>"
WIDE = f"<table:table><table:table-row>{CELL.format(f' table:number-columns-{FAR}')}</table:table-row></table:table>"
LONG = f"<table:table><table:table-row table:number-rows-{FAR}>{CELL.format('')}</table:table-row></table:table>"
OUTSIDE = {"mimetype": ODT, "../../../../etc/cron.d/x": "x", "/etc/x": "x", "content.xml": "<x/>"}
ARCHIVES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "blanks beyond the limit": ("a.docx", lambda: word(b" " * 600_000_000)),
    "a part that lies about its size": ("b.docx", lambda: lying(word(b" " * 100_000_000))),
    "entities in entities": ("c.docx", lambda: word(laughs(9))),
    "many parts": ("d.docx", lambda: word("<x/>", **{f"p{n}": "<x/>" for n in range(20_000)})),
    "an element in an element": ("e.docx", lambda: word(f'<w:document xmlns:w="{W}">' + "<w:p>" * 200_000)),
    "a row without end": ("f.ods", lambda: sheet(ODS, WIDE)),
    "rows without end": ("g.ods", lambda: sheet(ODS, LONG)),
    "a cell far away": ("h.xlsx", lambda: workbook('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>')),
    "names out of the archive": ("i.odt", lambda: make_zip(OUTSIDE)),
    "an archive in an archive": ("j.epub", lambda: make_zip({"mimetype": "application/epub+zip", "a.zip": nested()})),
    "a packed stream": ("k.pdf", lambda: pdf(b"0 0 m " * 20_000_000)),
    "brackets": ("l.ipynb", lambda: b'{"cells": ' + b"[" * 500_000),
    "mail in mail": ("m.eml", lambda: nested_mail(3000)),
    "elements of a page": ("n.html", lambda: b"<div>" * 400_000),
    "a line without end": ("o.csv", lambda: b"a,b\n" + b'"' + b"x," * 20_000),
    "a grid of commas": ("p.csv", lambda: b"," * 100_000),
}


def nested() -> bytes:
    return make_zip({"b": b"0" * 50_000_000})


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    running = start(tmp_path_factory.mktemp("hostile") / "store", "--workers", "1")
    with running.client() as client:
        added(client, "/indexer/partition/warm/file/a", b"text", "a.md")
        client.get("/search", params={"text": "text"})
    yield running
    assert running.stop() == 0


def _memory(pid: int, key: str) -> int:
    found = re.search(rf"{key}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _worker(server: Server) -> int:
    """Return the server's worker: the child of it that reads and embeds."""
    for status in Path("/proc").glob("[0-9]*/status"):
        found = re.search(r"PPid:\s+(\d+)", status.read_text())
        is_child = found and int(found[1]) == server.process.pid
        if is_child and b"worker_process" in (status.parent / "cmdline").read_bytes():
            return int(status.parent.name)
    raise AssertionError("there is no worker")


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks of memory are measured in /proc")
def test_hostile_archives_cost_little_and_harm_only_themselves(server: Server) -> None:
    processes = {"server": server.process.pid, "worker": _worker(server)}
    rows: list[tuple[str, str, int, int]] = []
    with server.client() as client:
        n_stalls, n_sent = _stalls(client), 0
        for number, (name, (filename, made)) in enumerate(ARCHIVES.items()):
            content = made()
            n_sent += len(content)
            for pid in processes.values():
                Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak is measured from now on
            idle = {who: _memory(pid, "VmRSS") for who, pid in processes.items()}
            done: list[dict] = []
            path = f"/indexer/partition/hostile/file/{number}"
            thread = threading.Thread(target=lambda: done.append(_sent(server, path, content, filename)))  # noqa: B023
            thread.start()
            while thread.is_alive():
                assert client.get("/livez").status_code == 200
                thread.join(0.05)
            growth = {who: _memory(pid, "VmHWM") - idle[who] for who, pid in processes.items()}
            rows.append((name, done[0]["task_state"], growth["server"], growth["worker"]))
        for name, state, of_server, of_worker in rows:
            print(f"{name:36} {state:10} server +{of_server / 1e6:5.0f} MB, worker +{of_worker / 1e6:5.0f} MB")
        assert max(row[2] for row in rows) < MAX_GROWTH_BYTES
        assert max(row[3] for row in rows) < MAX_GROWTH_BYTES
        assert {state for _, state, _, _ in rows} <= {"FAILED", "COMPLETED"}
        assert sum(state == "FAILED" for _, state, _, _ in rows) >= 8
        assert _stalls(client) == n_stalls
        assert _worker(server) == processes["worker"], "it lives on"
        assert _size(server.store) < n_sent + 30_000_000
        assert added(client, "/indexer/partition/warm/file/b", b"more text", "b.md")["task_state"] == "COMPLETED"


def _sent(server: Server, path: str, content: bytes, filename: str) -> dict:
    with server.client() as client:
        answer = client.post(path, files={"file": (filename, content)})
        if answer.status_code != 201:
            assert 400 <= answer.status_code < 500, answer.text
            return {"task_state": "FAILED"}
        return wait_for(client, answer.json()["task_status_url"])


def _stalls(client: httpx.Client) -> float:
    found = re.search(r"^openrag_event_loop_stalls_total (\S+)", client.get("/metrics").text, re.MULTILINE)
    assert found
    return float(found[1])
