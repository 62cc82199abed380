"""A synced folder that stands elsewhere now is the same folder; one whose disk is gone is not there."""

import shutil

import pytest

from openrag_cli.sync import root


@pytest.fixture
def notes(tmp_path, monkeypatch):
    """A folder of eight notes; names are below the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    for number in range(8):
        (tmp_path / "a" / f"f{number}.md").write_text(f"note {number} of the pump\n")
    return tmp_path


def sync(cli, *arguments):
    return cli("file", "sync", *arguments, "--json")


def ids(cli, partition="p"):
    return [one["file_id"] for one in cli("file", "list", "-p", partition, "--json").json["files"]]


def test_a_renamed_folder_keeps_its_place_and_what_was_deleted_with_it_goes(cli, notes, caplog):
    assert sync(cli, "a", "-p", "p").code == 0
    revisions = {one["file_id"]: one["revision"] for one in cli("file", "list", "-p", "p", "--json").json["files"]}
    (notes / "a").rename(notes / "b")
    (notes / "b" / "f2.md").write_text("note 2 of the valve\n")
    (notes / "b" / "f3.md").unlink()
    done = sync(cli, "b", "-p", "p", "--delete")
    assert done.code == 0, done.err
    assert (done.json["replaced"], done.json["deleted"], done.json["unchanged"]) == (1, 1, 6)
    assert caplog.text.count("takes the place of") == 1
    assert ids(cli) == ["f0.md", "f1.md", "f2.md", "f4.md", "f5.md", "f6.md", "f7.md"]
    kept = {one["file_id"]: one["revision"] for one in cli("file", "list", "-p", "p", "--json").json["files"]}
    assert {one for one in kept if kept[one] == revisions[one]} == set(kept) - {"f2.md"}
    again = sync(cli, "b", "-p", "p", "--delete")
    assert again.code == 0
    assert caplog.text.count("takes the place of") == 1
    assert again.json["unchanged"] == 7


def test_a_folder_with_a_prefix_keeps_it_when_it_is_mounted_elsewhere(cli, notes):
    shutil.copytree(notes / "a", notes / "first")
    assert sync(cli, "first", "-p", "p").code == 0
    assert sync(cli, "a", "-p", "p").code == 0
    before = ids(cli)
    assert "a/f0.md" in before
    shutil.copytree(notes / "a", notes / "mnt" / "notes")
    shutil.rmtree(notes / "a")
    done = sync(cli, "mnt/notes", "-p", "p", "--delete")
    assert done.code == 0, done.err
    assert done.json["unchanged"] == 8
    assert ids(cli) == before
    assert sync(cli, "first", "-p", "p", "--delete").json["unchanged"] == 8


def test_a_dry_run_says_so_and_writes_nothing(cli, notes, caplog):
    assert sync(cli, "a", "-p", "p").code == 0
    (notes / "a").rename(notes / "b")
    for _ in range(2):
        told = sync(cli, "b", "-p", "p", "--delete", "--dry-run")
        assert told.code == 0
        assert "takes the place of" in caplog.text
        caplog.clear()
    (notes / "b").rename(notes / "a")
    assert sync(cli, "a", "-p", "p").json["unchanged"] == 8


def test_another_folder_takes_no_place(cli, notes, caplog):
    assert sync(cli, "a", "-p", "p").code == 0
    shutil.rmtree(notes / "a")
    (notes / "c").mkdir()
    (notes / "c" / "f0.md").write_text("another text\n")
    done = sync(cli, "c", "-p", "p", "--delete")
    assert "takes the place of" not in caplog.text
    assert len(ids(cli)) == 8
    assert done.code == 3  # f0.md is another source's


def test_a_folder_that_is_still_there_is_not_replaced_by_its_copy(cli, notes):
    assert sync(cli, "a", "-p", "p").code == 0
    shutil.copytree(notes / "a", notes / "copy")
    assert sync(cli, "copy", "-p", "p").code == 0
    assert len(ids(cli)) == 16


@pytest.mark.parametrize("left", [[], ["lost+found.md"]])
def test_a_folder_whose_disk_is_not_mounted_is_not_there(cli, notes, monkeypatch, left):
    assert sync(cli, "a", "-p", "p").code == 0
    (notes / "a").rename(notes / "away")
    (notes / "a").mkdir()
    for name in left:
        (notes / "a" / name).write_text("of the disk below\n")
    device = root._device_of(str(notes).encode())
    monkeypatch.setattr(root, "_device_of", lambda _: device + 1)
    done = sync(cli, "a", "-p", "p", "--delete", "--max-delete", "100%")
    assert done.code == 66, done.out
    assert "on another disk" in done.err
    assert len(ids(cli)) == 8
    (notes / "a" / "f0.md").write_text("note 0 of the pump\n")  # a disk whose number has changed, as they do
    assert sync(cli, "a", "-p", "p", "--delete", "--max-delete", "100%").code == 0
    assert "f1.md" not in ids(cli)
