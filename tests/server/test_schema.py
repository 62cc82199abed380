"""The OpenAPI document against the running server: no 5xx, no undocumented status, type or shape."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import start

CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_schemathesis_finds_nothing(tmp_path, is_long):
    server = start(tmp_path / "store")
    try:
        done = subprocess.run(
            [
                *(
                    sys.executable,
                    "-c",
                    "from schemathesis.cli import schemathesis; schemathesis()",
                    "--config-file",
                    str(CONFIG),
                ),
                *("run", f"{server.url}/openapi.json", "--checks", "all", "--continue-on-failure"),
                # One thread: with two, ast.parse of CPython before 3.11.8 fails now and then (python/cpython#106905).
                *("--max-examples", "400" if is_long else "80", "--workers", "1", "--seed", "1"),
            ],
            capture_output=True,
            text=True,
            timeout=3600 if is_long else 800,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        generated = re.search(r"([\d,]+) generated", done.stdout)
        assert generated
        assert int(generated[1].replace(",", "")) >= 2000
    finally:
        assert server.stop() == 0
    log = (tmp_path / "server.log").read_text()
    assert "Traceback" not in log, log[-3000:]
