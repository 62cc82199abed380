"""A client that openapi-python-client makes of /openapi.json: it uploads, waits, searches and chats.

pip install openapi-python-client httpx attrs
python benchmarks/clients/generated_client.py http://127.0.0.1:8080
"""

import importlib
import io
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

KEYS = b"# Keys\n\nRotate every API key every 90 days.\n"
URL = sys.argv[1].rstrip("/")


def generated(folder: Path) -> ModuleType:
    """Generate the client into a folder and import it."""
    subprocess.run(
        [sys.executable, "-m", "openapi_python_client", "generate", "--url", f"{URL}/openapi.json",
         "--meta", "none", "--output-path", str(folder / "made")],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    sys.path.insert(0, str(folder))
    return importlib.import_module("made")


def operation(made: ModuleType, path: str, method: str) -> Any:
    """Return the module of an operation, found by the path in its request."""
    folder = Path(str(made.__file__)).parent / "api"
    wanted = f'"method": "{method}"'
    for file in sorted(folder.glob("*/*.py")):
        text = file.read_text()
        if wanted in text and f'"{path}"' in text:
            return importlib.import_module(f"made.api.{file.parent.name}.{file.stem}")
    raise LookupError(f"{method} {path}")


def main() -> None:
    """Generate, upload, wait, search, chat; print a line for each."""
    with tempfile.TemporaryDirectory() as folder:
        made = generated(Path(folder))
        models, types = importlib.import_module("made.models"), importlib.import_module("made.types")
        client = made.Client(base_url=URL, raise_on_unexpected_status=True)
        upload = operation(made, "/indexer/partition/{partition}/file/{file_id}", "post")
        body_type = models.BodyAddFileIndexerPartitionPartitionFileFileIdPost
        file = types.File(
            payload=io.BytesIO(b"# Keys\n\nRotate every API key every 90 days.\n"),
            file_name="keys.md",
            mime_type="text/markdown",
        )
        name = f"keys-{time.time_ns()}.md"
        answer = upload.sync_detailed("generated", name, client=client, body=body_type(file=file))
        print(json.dumps({"upload": int(answer.status_code)}))
        search = operation(made, "/search", "get")
        for _ in range(100):
            found = search.sync_detailed(client=client, text="rotate api keys", partitions=["generated"])
            if int(found.status_code) == 200 and found.parsed.documents:
                break
            time.sleep(0.2)
        print(json.dumps({"search": found.parsed.documents[0].content}))
        chat = operation(made, "/v1/chat/completions", "post")
        body = models.ChatBody.from_dict(
            {
                "model": "openrag-generated",
                "messages": [{"role": "user", "content": "How often are API keys rotated?"}],
            }
        )
        print(json.dumps({"chat": chat.sync_detailed(client=client, body=body).parsed.choices[0].message.content}))


main()
