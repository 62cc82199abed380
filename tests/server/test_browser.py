"""A real browser with hostile pages, against a server without a token: nothing is read and nothing written.

Two origins attack: a page of another site, and one of another port of this machine (the same site, another origin);
and a page whose own name is pointed at this machine while it runs (DNS rebinding). What a browser's headers alone can
tell is in test_access.py, which always runs.
"""

import json
import re
import shutil
import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from .conftest import Server, added, start

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SECRET = "the vault code is 4711"

pytestmark = pytest.mark.skipif(BROWSER is None, reason="Chromium is missing: apt-get install chromium")

ATTACKS = """<!doctype html><title>prizes</title><pre id=out>running</pre>
<iframe name=sink></iframe>
<form id=form target=sink method=post enctype="multipart/form-data"><input name=metadata value="{}"></form>
<script>
window.leaked = "";
const to = "TARGET", found = {};
const tries = {
  async read() { return (await fetch(to + "/partition")).text(); },
  async read_credentials() { return (await fetch(to + "/search?text=vault", {credentials: "include"})).text(); },
  async read_opaque() { return (await fetch(to + "/search?text=vault", {mode: "no-cors"})).text(); },
  async preflight() { return (await fetch(to + "/partition/private", {method: "DELETE"})).text(); },
  async json() { return (await fetch(to + "/v1/chat/completions", {method: "POST",
    headers: {"Content-Type": "application/json"}, body: '{"model": "openrag-all", "messages": []}'})).text(); },
  async plain() { return (await fetch(to + "/v1/chat/completions", {method: "POST", mode: "no-cors",
    body: '{"model": "openrag-all", "messages": [{"role": "user", "content": "vault"}]}'})).text(); },
  async make() { return (await fetch(to + "/partition/evil", {method: "POST", mode: "no-cors"})).text(); },
  async upload() {
    const body = new FormData();
    body.append("file", new Blob(["the new bank account is 666"]), "bank.md");
    return (await fetch(to + "/indexer/partition/private/file/bank", {method: "POST", mode: "no-cors", body})).text();
  },
  async beacon() { return "" + navigator.sendBeacon(to + "/partition/beacon", "x") && ""; },
  async script() {
    const script = document.createElement("script");
    script.src = to + "/partition/private/content/code.js";
    await new Promise(done => { script.onload = script.onerror = done; document.body.append(script); });
    return window.leaked;
  },
  async frame() {
    const frame = document.createElement("iframe");
    frame.src = to + "/search?text=vault";
    await new Promise(done => { frame.onload = frame.onerror = done; document.body.append(frame); });
    return frame.contentDocument ? frame.contentDocument.body.innerText : "";
  },
  async form() {
    const form = document.getElementById("form");
    form.action = to + "/partition/by-form";
    await new Promise(done => { document.getElementsByName("sink")[0].onload = done; form.submit(); });
    return "";
  },
};
(async () => {
  for (const [name, attack] of Object.entries(tries)) {
    const late = new Promise(done => setTimeout(() => done("refused: nothing came"), 2000));
    try { found[name] = await Promise.race([attack(), late]); } catch (error) { found[name] = "refused: " + error.message; }
  }
  document.getElementById("out").textContent = "DONE " + JSON.stringify(found) + " END";
})();
</script>"""


@pytest.fixture(scope="module")
def unguarded(tmp_path_factory) -> Iterator[Server]:
    """A server without a token, as `openrag serve` is by default, with something worth reading."""
    server = start(tmp_path_factory.mktemp("unguarded") / "store")
    with server.client() as client:
        added(client, "/indexer/partition/private/file/vault", f"# Vault\n\n{SECRET}")
        added(client, "/indexer/partition/private/file/code.js", f'window.leaked = "{SECRET}";', "code.js")
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="module")
def page(unguarded: Server) -> Iterator[int]:
    """The port of a web server whose only page attacks."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = ATTACKS.replace("TARGET", unguarded.url).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running.server_address[1]
        running.shutdown()


REBOUND = """<!doctype html><title>prizes</title><pre id=out>running</pre>
<script>
const found = {};
const tries = {
  async read() { return (await fetch("/partition")).text(); },
  async search() { return (await fetch("/search?text=vault")).text(); },
  async original() { return (await fetch("/partition/private/content/code.js")).text(); },
  async make() { return (await fetch("/partition/rebound", {method: "POST"})).text(); },
  async upload() {
    const body = new FormData();
    body.append("file", new Blob(["the new bank account is 666"]), "bank.md");
    return (await fetch("/indexer/partition/private/file/bank", {method: "POST", body})).text();
  },
  async remove() { return (await fetch("/partition/private", {method: "DELETE"})).text(); },
  async ask() { return (await fetch("/v1/chat/completions", {method: "POST",
    headers: {"Content-Type": "application/json"},
    body: '{"model": "openrag-all", "messages": [{"role": "user", "content": "vault"}]}'})).text(); },
};
(async () => {
  found.before = await (await fetch("/who", {cache: "no-store"})).text();
  await fetch("/switch", {cache: "no-store"});  // from now on the name of this page is the server's
  for (const [name, attack] of Object.entries(tries)) {
    try { found[name] = await attack(); } catch (error) { found[name] = "refused: " + error.message; }
  }
  document.getElementById("out").textContent = "DONE " + JSON.stringify(found) + " END";
})();
</script>"""


class Resolver(socketserver.ThreadingTCPServer):
    """A SOCKS5 proxy (RFC 1928), whose only art is that it looks names up: each is where `address` says now.

    It is to the browser what the name server of an attacker is, without the pinning and the caches that would help us.
    """

    daemon_threads = True

    def __init__(self, address: str) -> None:
        self.address = address
        self.asked: list[tuple[str, str]] = []
        super().__init__(("127.0.0.1", 0), _Resolved)


class _Resolved(socketserver.StreamRequestHandler):
    server: Resolver

    def handle(self) -> None:
        _, n_methods = self.rfile.read(2)
        self.rfile.read(n_methods)
        self.wfile.write(b"\x05\x00")
        _, _, _, kind = self.rfile.read(4)
        assert kind == 3, "a name, which the browser leaves to us"
        name = self.rfile.read(self.rfile.read(1)[0]).decode()
        port = int.from_bytes(self.rfile.read(2), "big")
        self.server.asked.append((name, self.server.address))
        try:
            upstream = socket.create_connection((self.server.address, port), 10)
        except OSError:
            self.wfile.write(b"\x05\x05\x00\x01" + bytes(6))
            return
        self.wfile.write(b"\x05\x00\x00\x01" + bytes(6))
        with upstream:
            back = threading.Thread(target=_pass_on, args=(upstream, self.connection), daemon=True)
            back.start()
            _pass_on(self.connection, upstream)
            back.join(10)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(65536):
            target.sendall(block)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def attacker(resolver: Resolver, port: int) -> Iterator[None]:
    """Serve the attacker's page on another address of this machine, at the server's own port."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/switch":
                resolver.address = "127.0.0.1"
            content = REBOUND if self.path == "/" else "the attacker"
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Connection", "close")  # so that the browser looks the name up again
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.5", port), Page) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield
        running.shutdown()


def shown(url: str, profile: Path, *options: str) -> str:
    """Return the document that a browser makes of a URL, in which evil names lead to this machine."""
    assert BROWSER is not None
    done = subprocess.run(
        [
            BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
            "--disable-background-networking", "--disable-component-update", *(options or ["--no-proxy-server"]),
            # Later versions ask before a page may reach this machine at all; older ones, and other browsers, do not.
            "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests,PrivateNetworkAccessSendPreflights",
            f"--user-data-dir={profile}",
            "--host-resolver-rules=MAP evil.example 127.0.0.1, MAP rebound.example 127.0.0.1",
            "--virtual-time-budget=30000", "--timeout=60000", "--dump-dom", url,
        ],
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    return done.stdout.decode()


@pytest.mark.parametrize("origin", ["evil.example", "127.0.0.1"])
def test_a_hostile_page_reads_and_writes_nothing(unguarded: Server, page: int, origin: str, tmp_path: Path) -> None:
    document = shown(f"http://{origin}:{page}/", tmp_path / "profile")
    outcome = re.search(r"<pre id=\"out\">DONE (.*?) END</pre>", document, re.DOTALL)
    assert outcome, f"the page did not run to its end: {document[:2000]}"
    found = json.loads(outcome[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))
    assert set(found) >= {"read", "upload", "make", "script", "frame", "form", "beacon"}
    assert SECRET not in document
    assert not [name for name, text in found.items() if text and not text.startswith("refused")], found
    with unguarded.client() as client:
        assert [entry["partition"] for entry in client.get("/partition").json()["partitions"]] == ["private"]
        files = client.get("/partition/private").json()["files"]
        assert sorted(file["file_id"] for file in files) == ["code.js", "vault"]
        assert SECRET in client.get("/search", params={"text": "vault code"}).text, "a program still reads"


def test_a_page_whose_name_becomes_this_machine_while_it_runs_reads_and_writes_nothing(
    unguarded: Server, tmp_path: Path
) -> None:
    port = int(unguarded.url.rsplit(":", 1)[1])
    with Resolver("127.0.0.5") as resolver, attacker(resolver, port):
        threading.Thread(target=resolver.serve_forever, daemon=True).start()
        url = f"http://rebound.example:{port}/"
        document = shown(url, tmp_path / "profile", f"--proxy-server=socks5://127.0.0.1:{resolver.server_address[1]}")
        resolver.shutdown()
    outcome = re.search(r"<pre id=\"out\">DONE (.*?) END</pre>", document, re.DOTALL)
    assert outcome, f"the page did not run to its end: {document[:2000]}"
    found = json.loads(outcome[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))
    assert found.pop("before") == "the attacker", "the page came from elsewhere"
    assert {address for name, address in resolver.asked if name == "rebound.example"} == {"127.0.0.5", "127.0.0.1"}
    assert len(found) == 7
    for name, text in found.items():
        assert "wrong_host" in text or "--allowed-host" in text, (name, text)
    assert SECRET not in document
    with unguarded.client() as client:
        assert [entry["partition"] for entry in client.get("/partition").json()["partitions"]] == ["private"]
        files = client.get("/partition/private").json()["files"]
        assert sorted(file["file_id"] for file in files) == ["code.js", "vault"]


def test_a_name_pointed_at_this_machine_reads_nothing(unguarded: Server, tmp_path: Path) -> None:
    port = unguarded.url.rsplit(":", 1)[1]
    rebound = shown(f"http://rebound.example:{port}/search?text=vault", tmp_path / "profile")
    assert SECRET not in rebound
    assert "--allowed-host rebound.example" in rebound
    own = shown(f"{unguarded.url}/search?text=vault", tmp_path / "profile")
    assert SECRET in own, "the user's own address works in the same browser"
