"""The settings of a working folder: a checkout of somebody else's is not obeyed until its user says so."""

import json
import os

import pytest

from openrag_cli.config import folder_trust
from openrag_cli.config.settings import SETTINGS, load, project_config_path
from openrag_cli.contract.schemas import COMMANDS

HOSTILE = (
    "store = '/evil/store'\ncors_origins = ['http://evil.example']\n[llm]\nbase_url = 'http://evil.example/v1'\n"
)


def test_a_folder_names_no_store_no_origin_and_no_llm_until_it_is_trusted(cli, tmp_path):
    (tmp_path / "openrag.toml").write_text(HOSTILE + "nonsense = 1\n[whatever]\nx = 1\n")
    shown = cli("config", "show", "--json")
    values = {entry["key"]: entry["value"] for entry in shown.json["settings"]}
    assert values["llm.base_url"] is None
    assert values["cors_origins"] == []
    assert values["store"] == str(tmp_path / "store")
    (line,) = shown.err.splitlines()
    for key in ("store", "cors_origins", "llm.base_url", "llm.nonsense", "whatever.x"):
        assert key in line
    assert "openrag config trust" in line


def test_trust_is_for_a_content_and_a_change_asks_again(cli, tmp_path):
    file = tmp_path / "openrag.toml"
    file.write_text(HOSTILE)
    trusted = cli("config", "trust", "--json").json
    assert (trusted["is_trusted"], trusted["path"]) == (True, str(file))
    assert trusted["keys"] == ["store", "cors_origins", "llm.base_url"]
    obeyed = cli("config", "get", "llm.base_url")
    assert (obeyed.out, obeyed.err) == ("http://evil.example/v1\n", "")
    file.write_text(HOSTILE + "model = 'm'\n")
    changed = cli("config", "get", "llm.base_url")
    assert changed.code == 1
    assert "llm.model" in changed.err
    file.write_text(HOSTILE)
    assert cli("config", "get", "llm.base_url").code == 0
    assert cli("config", "untrust").code == 0
    assert cli("config", "get", "llm.base_url").code == 1
    assert cli("config", "untrust", "--json").code == 1


def test_the_same_content_in_another_folder_is_not_trusted(cli, tmp_path, monkeypatch):
    (tmp_path / "openrag.toml").write_text(HOSTILE)
    assert cli("config", "trust").code == 0
    other = tmp_path / "other"
    other.mkdir()
    (other / "openrag.toml").write_text(HOSTILE)
    monkeypatch.chdir(other)
    assert cli("config", "get", "llm.base_url").code == 1


@pytest.mark.parametrize("key", sorted(folder_trust.FREE_KEYS))
def test_a_key_of_the_short_list_holds_at_once(environment, tmp_path, key):
    value = {"language": "French", "log_level": "INFO", "log_format": "json", "top_k": "3", "output": "json"}.get(
        key, "x"
    )
    (tmp_path / "openrag.toml").write_text(f"{key} = '{value}'\n")
    found = load()
    assert found.origins[key] == "openrag.toml"
    assert found.ignored == ()


def test_every_other_setting_needs_trust(environment, tmp_path):
    others = [setting.key for setting in SETTINGS if setting.key not in folder_trust.FREE_KEYS]
    (tmp_path / "openrag.toml").write_text("".join(f'"{key}" = "x"\n' for key in others))
    found = load()
    assert set(found.ignored) == set(others)
    assert not [key for key in others if found.origins[key] == "openrag.toml"]


def test_what_the_user_sets_for_the_folder_is_trusted_unless_something_was_ignored(cli, tmp_path):
    assert cli("config", "set", "workers", "3", "--project").code == 0
    assert cli("config", "get", "workers").out == "3\n"
    assert cli("config", "unset", "workers", "--project").code == 0
    (tmp_path / "openrag.toml").write_text(HOSTILE)
    assert cli("config", "set", "workers", "3", "--project").code == 0
    assert cli("config", "get", "workers").out == "1\n"


def test_an_openrag_toml_that_is_a_pipe_or_very_deep_is_an_error_and_no_hang(cli, tmp_path):
    os.mkfifo(tmp_path / "openrag.toml")
    assert cli("config", "show").code == 78
    (tmp_path / "openrag.toml").unlink()
    (tmp_path / "openrag.toml").write_text("x = " + "[" * 100_000)
    assert cli("config", "show").code == 78
    (tmp_path / "openrag.toml").write_text(".".join(["a"] * 5000) + " = 1")
    assert cli("config", "show").code in {0, 78}


def test_defaults_of_options_come_from_the_folder_and_give_way_to_the_command_line(cli, tmp_path, handbook):
    (tmp_path / "openrag.toml").write_text("partition = 'hand'\ntop_k = 2\noutput = 'json'\n")
    assert cli("file", "add", handbook).json["added"] > 2
    files = cli("file", "list").json["files"]
    assert {file["partition"] for file in files} == {"hand"}
    found = cli("search", "keys").json
    assert found["partitions"] == ["hand"]
    assert len(found["hits"]) == 2
    assert len(cli("search", "keys", "-k", "1", "-p", "all").json["hits"]) == 1
    assert cli("file", "list", "-p", "other", "--no-json").code == 66
    (tmp_path / "openrag.toml").write_text("partition = 'hand'\nfilter = 'year = 1'\n")
    narrowed = cli("search", "keys")
    assert narrowed.code == 1
    assert "year = 1" in narrowed.err


def test_an_error_is_json_when_the_folder_prefers_it(cli, tmp_path):
    (tmp_path / "openrag.toml").write_text("output = 'json'\n")
    assert json.loads(cli("search").err)["schema"] == "openrag.error/1"


def test_trust_is_documented(cli):
    assert "openrag config trust" in cli("help", "trust").out
    assert {"config trust", "config untrust"} <= set(COMMANDS)
    assert project_config_path().name == "openrag.toml"


def test_trust_without_a_file_says_so(cli):
    assert cli("config", "trust").code == 66
