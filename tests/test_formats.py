"""Real documents of every format: each is found at rank 1 by a phrase from it, or has failed with a true sentence."""

import json
from pathlib import Path

import pytest

from openrag_cli.cli import main

pytestmark = pytest.mark.shared

PHRASES = {
    "office-and-web/test.docx": "Here is a random table for .docx parsing test purposes",
    "office-and-web/test.pptx": "2cdda5c8-e50e-4db4-b5f0-9722a649f455",
    "office-and-web/test.xlsx": "6ff4173b-42a5-4784-9b19-f49caff4d93d",
    "office-and-web/test.xls": "6ff4173b-42a5-4784-9b19-f49caff4d93d",
    "office-and-web/test.pdf": "While there is contemporaneous exploration of multi-agent approaches",
    "office-and-web/test_blog.html": "GPT-4 is currently the state of the art LLM in the world",
    "office-and-web/test.epub": "Here's a second chapter with a different style. This is a blockquote for testing.",
    "office-and-web/test_outlook_msg.msg": "This is a test email message",
    "office-and-web/test_notebook.ipynb": "Test Notebook comment in code print(42)",
    "office-and-web/test_mskanji.csv": "佐藤太郎",
    "office-and-web/test_rss.xml": "Changes at Microsoft for the AI era",
}


@pytest.fixture(scope="module")
def store(tmp_path_factory, shared):
    """A store that holds all of formats/."""
    folder = tmp_path_factory.mktemp("formats")
    flags = ["--store", str(folder / "store"), "--threads", "2", "-q"]
    code = main.run([*flags, "file", "add", str(shared / "formats"), "-p", "formats"])
    assert code == 3  # scans, pictures and the password are in there
    return flags


def _hits(store, capfd, *arguments):
    capfd.readouterr()
    main.run([*store, "search", *arguments, "--json"])
    return json.loads(capfd.readouterr().out)["hits"]


@pytest.mark.parametrize("file_id", PHRASES)
def test_a_phrase_of_each_format_is_found_at_rank_1(store, capfd, file_id):
    best = _hits(store, capfd, PHRASES[file_id])[0]
    same = [{"test.xls", "test.xlsx"}, {"test.docx", "test_with_comment.docx"}]  # two files of the same content
    found = {best["file_id"].removeprefix("office-and-web/"), file_id.removeprefix("office-and-web/")}
    assert best["file_id"] == file_id or found in same, best["file_id"]


def test_pdf_hits_name_the_right_page(store, capfd, shared):
    import pypdfium2

    n_checked = 0
    for path in sorted((shared / "formats").rglob("*.pdf")):
        if "password" in path.name:
            continue
        document = pypdfium2.PdfDocument(path)
        texts = [" ".join(page.get_textpage().get_text_range().split()) for page in document]
        document.close()
        for number, text in enumerate(texts, 1):
            phrase = " ".join(text.split()[30:44])
            if len(texts) > 1 and len(phrase) > 60 and sum(phrase in other for other in texts) == 1:
                file_id = str(path.relative_to(shared / "formats"))
                assert _hits(store, capfd, phrase, "-f", file_id, "-k", "1")[0]["page"] == number, phrase
                n_checked += 1
    assert n_checked >= 6


def test_what_failed_says_what_and_what_to_do(store, capfd, shared):
    capfd.readouterr()
    main.run([*store, "task", "list", "--state", "FAILED", "--json", "--limit", "-1"])
    listed = {task["file_id"] for task in json.loads(capfd.readouterr().out)["tasks"]}
    main.run([*store, "file", "add", str(shared / "formats"), "-p", "formats", "--strict", "--json"])
    failures = json.loads(capfd.readouterr().out)["failures"]
    failed = {failure["file_id"]: failure for failure in failures if failure["message"] != "the file is empty"}
    kinds = {file_id for file_id, failure in failed.items() if failure["code"] == "unsupported_format"}
    assert listed == failed.keys() - kinds  # what no reader knows was skipped, and is no task of anybody
    expected = {
        "pdf/005-libreoffice-writer-password/libreoffice-writer-password.pdf": "password",
        "office-and-web/MEDRPT-2024-PAT-3847_medical_report_scan.pdf": "scan",
        "office-and-web/test.m4a": "sound",
        "office-and-web/test_files.zip": "archive",
        "office-and-web/test.jpg": "image",
    }
    for file_id, word in expected.items():
        assert word in failed[file_id]["message"]
        assert failed[file_id]["hint"]
    files = {
        str(path.relative_to(shared / "formats"))
        for path in Path(shared / "formats").rglob("*")
        if path.is_file() and path.stat().st_size  # empty files are left out, not failed
    }
    capfd.readouterr()
    main.run([*store, "file", "list", "-p", "formats", "--json"])
    indexed = {file["file_id"] for file in json.loads(capfd.readouterr().out)["files"]}
    assert indexed | failed.keys() == files
    assert not indexed & failed.keys()
