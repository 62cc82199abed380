"""Converter children: what goes wrong in one document stays there, and no child outlives its parent."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import pytest
from documents import MAX_TOKENS, TOKENIZER, docx_paragraph, good_samples, make_docx, make_pdf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openrag_cli.documents.readers.base import Limits
from openrag_cli.documents.sandbox import pool as pool_module
from openrag_cli.documents.sandbox.pool import ChildLimits, ConverterPool, Deadline
from openrag_cli.errors import ConverterUnavailable, IngestError, UnsupportedFormat

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and pidfd")
SLOW_DOCX = make_docx(docx_paragraph("x") * 400_000)
SHORT = Deadline(base_s=1.5, page_s=0.0)
SAMPLES = good_samples()


@pytest.fixture
def put(tmp_path: Path) -> Callable[[bytes], Path]:
    """Store bytes under a new path without an extension, as the store keeps originals."""
    paths = (tmp_path / f"{number:012x}" for number in range(10_000))

    def store(content: bytes) -> Path:
        path = next(paths)
        path.write_bytes(content)
        return path

    return store


def make_pool(workers: int = 1, **options: object) -> ConverterPool:
    return ConverterPool(workers=workers, tokenizer_path=TOKENIZER, max_tokens=MAX_TOKENS, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def pool() -> Iterator[ConverterPool]:
    with make_pool(workers=2) as shared_pool:
        yield shared_pool


def child_pid(pool: ConverterPool) -> int:
    return pool._idle[-1]._process.pid


def wait_for_end(pidfd: int, timeout_s: float = 20) -> bool:
    """Whether the process behind `pidfd` has ended, or does within `timeout_s`."""
    return bool(select.select([pidfd], [], [], timeout_s)[0])


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_each_format_comes_back_with_spans_of_its_text(
    pool: ConverterPool, put: Callable[[bytes], Path], name: str
) -> None:
    content, phrase = SAMPLES[name]
    converted = pool.convert(put(content), name)
    assert phrase in converted.document.markdown
    assert converted.spans
    for span in converted.spans:
        assert span.text == converted.document.markdown[span.start : span.end]


def test_several_threads_convert_at_once_and_get_their_own_document(
    pool: ConverterPool, put: Callable[[bytes], Path]
) -> None:
    texts = [f"document number {number}" for number in range(40)]
    paths = [put(text.encode()) for text in texts]
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda path: pool.convert(path, "a.txt").document.markdown, paths))
    assert results == texts


def test_pages_and_headings_cross_the_pipe(pool: ConverterPool, put: Callable[[bytes], Path]) -> None:
    pdf = pool.convert(put(make_pdf(["first", "second"])), "a.pdf")
    assert [span.page for span in pdf.spans] == [1, 2]
    markdown = pool.convert(put(b"# Top\n\n## Inner\n\nwords\n"), "a.md")
    assert markdown.spans[-1].heading == ("Top", "Inner")


def test_an_error_keeps_its_reason_and_hint(pool: ConverterPool, put: Callable[[bytes], Path]) -> None:
    with pytest.raises(IngestError, match="nothing on it to read") as caught:
        pool.convert(put(make_pdf([""])), "a.pdf")
    assert caught.value.reason == "no_text"
    assert "drawn" in str(caught.value.hint)
    with pytest.raises(UnsupportedFormat, match="PNG image"):
        pool.convert(put(b"\x89PNG\r\n\x1a\n\x00"), "a.png")


def test_a_missing_file_fails_alone(pool: ConverterPool, tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="No such file"):
        pool.convert(tmp_path / "none", "a.txt")


def test_a_file_name_that_is_not_unicode_arrives(pool: ConverterPool, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.txt")
    path.write_bytes(b"words")
    assert pool.convert(path, path.name).document.markdown == "words"


def test_a_document_over_its_deadline_is_stopped_and_the_next_one_is_read(put: Callable[[bytes], Path]) -> None:
    with make_pool(deadline=SHORT) as pool:
        with pytest.raises(IngestError, match="longer than one document may take") as caught:
            pool.convert(put(SLOW_DOCX), "slow.docx")
        assert caught.value.reason == "timeout"
        assert pool.convert(put(b"next"), "a.txt").document.markdown == "next"


def test_a_document_that_needs_too_much_memory_fails_alone(put: Callable[[bytes], Path]) -> None:
    small = ChildLimits(address_space=250_000_000)
    with make_pool(child_limits=small, limits=Limits(max_chars=100_000_000)) as pool:
        with pytest.raises(IngestError) as caught:
            pool.convert(put(make_pdf(["x"], filler=b" " * 200_000_000)), "bomb.pdf")
        assert caught.value.reason in {"crashed", "out_of_memory"}
        with pytest.raises(IngestError) as caught:
            pool.convert(put(b'{"cells":[' + b"{}," * 3_000_000 + b"{}]}"), "a.ipynb")
        assert caught.value.reason == "out_of_memory"
        assert pool.convert(put(b"next"), "a.txt").document.markdown == "next"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("deep.html", b"<div>" * 20_000 + b"needle"),
        ("deep.docx", make_docx("<w:tbl><w:tr><w:tc>" * 3_000 + "</w:tc></w:tr></w:tbl>" * 3_000)),
        ("laughs.docx", make_docx(docx_paragraph("&b;"), '<!DOCTYPE l [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>')),
        ("line.txt", b"x" * 3_000_000),
        ("tags.html", b"<b><i>" * 5_000),
        ("comments.xml", b"<?xml?>" * 9_000),
        ("braces.json", b"[" * 200_000),
        ("braces.ipynb", b'{"cells":' + b"[" * 200_000),
        ("parts.eml", b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n" * 20_000),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_hostile_documents_end_and_the_pool_lives_on(
    pool: ConverterPool, put: Callable[[bytes], Path], name: str, content: bytes
) -> None:
    try:
        pool.convert(put(content), name)
    except IngestError as exc:
        assert exc.reason in {"corrupt", "no_text", "too_large"}  # noqa: PT017 - it may also be read
    assert pool.convert(put(b"next"), "a.txt").document.markdown == "next"


@pytest.mark.parametrize("name", sorted(SAMPLES))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cut=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=6),
)
def test_a_damaged_document_is_read_or_fails_with_our_error(
    pool: ConverterPool, put: Callable[[bytes], Path], name: str, cut: float, flips: list[tuple[float, int]]
) -> None:
    content = bytearray(SAMPLES[name][0])
    for place, mask in flips:
        content[int(place * len(content))] ^= mask
    content = content[: int(len(content) * cut)] if not flips else content
    try:
        converted = pool.convert(put(bytes(content)), name)
    except (IngestError, UnsupportedFormat) as exc:
        assert "a bug in openrag" not in exc.message  # noqa: PT017
    else:
        assert converted.document.markdown.strip()


@on_linux
def test_a_child_knows_no_token_and_loads_no_parser_for_text(
    put: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENRAG_TOKEN", "secret-of-the-parent")
    with make_pool() as pool:
        pool.convert(put(b"# words\n"), "a.md")
        process = Path(f"/proc/{child_pid(pool)}")
        assert b"secret-of-the-parent" not in (process / "environ").read_bytes()
        maps = (process / "maps").read_text()
        for library in ("onnxruntime", "lxml", "pdfium", "pandas", "lancedb"):
            assert library not in maps


@on_linux
def test_a_child_has_its_limits_and_its_own_session(put: Callable[[bytes], Path]) -> None:
    with make_pool() as pool:
        pool.convert(put(b"words"), "a.txt")
        pid = child_pid(pool)
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert os.getsid(pid) == pid
    rows = {line[:25].strip(): line[25:].split()[0] for line in limits.splitlines()}
    assert rows["Max address space"] == "1500000000"
    assert rows["Max core file size"] == "0"
    assert rows["Max open files"] == "64"
    assert rows["Max cpu time"].isdigit()


@on_linux
def test_a_child_that_died_while_idle_is_replaced_without_a_word(put: Callable[[bytes], Path]) -> None:
    with make_pool() as pool:
        pool.convert(put(b"first"), "a.txt")
        pidfd = os.pidfd_open(child_pid(pool))
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        assert wait_for_end(pidfd)
        os.close(pidfd)
        assert pool.convert(put(b"second"), "a.txt").document.markdown == "second"


def test_a_converter_that_cannot_start_does_not_blame_the_document(
    put: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with make_pool() as pool, pytest.raises(ConverterUnavailable, match=r"could not start \(exit code 1\)"):
        pool.convert(put(b"words"), "a.txt")


def test_a_reader_that_cannot_be_imported_does_not_blame_the_document(
    put: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = "sys.modules['openrag_cli.documents.readers.html'] = None; from"
    boot = pool_module._BOOT
    with make_pool() as pool:
        monkeypatch.setattr(pool_module, "_BOOT", boot.replace("from", missing, 1))
        with pytest.raises(ConverterUnavailable, match=r"could not start .*readers\.html"):
            pool.convert(put(b"<p>words</p>"), "a.html")
        assert pool.convert(put(b"words"), "a.txt").document.markdown == "words"
        monkeypatch.setattr(pool_module, "_BOOT", boot)  # what was missing is there again
        with pytest.raises(ConverterUnavailable):
            pool.convert(put(b"<p>words</p>"), "a.html")
        assert pool.convert(put(b"<p>words</p>"), "a.html").document.markdown == "words"


@on_linux
def test_closing_the_pool_stops_a_conversion_and_leaves_no_process(put: Callable[[bytes], Path]) -> None:
    pool = make_pool()
    pool.convert(put(b"first"), "a.txt")
    pidfd = os.pidfd_open(child_pid(pool))
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(pool.convert, put(SLOW_DOCX), "slow.docx")
        while not pool._busy and not slow.done():  # until the thread has taken the child
            os.sched_yield()
        pool.close()
        assert isinstance(slow.exception(timeout=20), CancelledError)
    assert wait_for_end(pidfd)
    os.close(pidfd)
    with pytest.raises(CancelledError):
        pool.convert(put(b"late"), "a.txt")


PROGRAM = """
import sys
from pathlib import Path
from openrag_cli.documents.sandbox.pool import ConverterPool
with ConverterPool(workers=1, tokenizer_path=Path(sys.argv[1]), max_tokens=256) as pool:
    print(pool.convert(Path(sys.argv[2]), "a.txt").document.markdown, pool._idle[0]._process.pid, flush=True)
    pool.convert(Path(sys.argv[3]), "slow.docx") if len(sys.argv) > 3 else None
"""


@pytest.mark.parametrize("how", ["-c", "stdin"])
def test_a_program_without_a_file_of_its_own_can_convert(put: Callable[[bytes], Path], how: str) -> None:
    arguments = [str(TOKENIZER), str(put(b"words"))]
    command = [sys.executable, "-c", PROGRAM] if how == "-c" else [sys.executable, "-"]
    done = subprocess.run(
        command + arguments,
        input=PROGRAM if how == "stdin" else None,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[1],
        check=False,
    )
    assert done.stdout.split()[0] == "words", done.stderr


@on_linux
def test_a_child_dies_with_its_parent_even_amid_a_document(put: Callable[[bytes], Path]) -> None:
    paths = [str(put(b"words")), str(put(SLOW_DOCX))]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(TOKENIZER), *paths],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    ) as parent:
        assert parent.stdout is not None
        pidfd = os.pidfd_open(int(parent.stdout.readline().split()[1]))
        parent.kill()
        assert wait_for_end(pidfd)
        os.close(pidfd)


def test_limits_reach_the_child(put: Callable[[bytes], Path]) -> None:
    with make_pool(limits=Limits(max_chars=100)) as pool:
        converted = pool.convert(put(b"words " * 100), "a.txt")
    assert len(converted.document.markdown) == 100
    assert "first 100 characters" in converted.document.warnings[0].message
