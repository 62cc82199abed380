"""`openrag config`: what is set, from where, and changing it without harm to the rest of the file."""

import stat
import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openrag_cli.cli.exit_codes import ExitCode
from openrag_cli.config.edit import set_value, unset_value
from openrag_cli.config.folder_trust import trust
from openrag_cli.config.settings import SETTINGS, load, project_config_path

SAMPLES = [
    "/some/where",
    "french",
    "3",
    "true",
    "json",
    "debug",
    "http://here/v1",
    "600",
    "a,b",
    "small",
    "append",
    "string",
]


def test_show_tells_every_setting_and_where_it_comes_from(cli, environment, tmp_path):
    environment.setenv("OPENRAG_LLM_MODEL", "qwen")
    (tmp_path / "openrag.toml").write_text("threads = 2\n[llm]\nbase_url = 'http://here/v1'\n")
    assert cli("config", "trust").code == 0
    environment.delenv("OPENRAG_THREADS")
    shown = cli("config", "show", "--origin", "--json", "--store", "elsewhere").json
    assert shown["schema"] == "openrag.settings/1"
    entries = {entry["key"]: entry for entry in shown["settings"]}
    assert entries.keys() == {setting.key for setting in SETTINGS}
    assert (entries["llm.model"]["value"], entries["llm.model"]["origin"]) == (
        "qwen",
        "environment OPENRAG_LLM_MODEL",
    )
    assert (entries["llm.base_url"]["value"], entries["llm.base_url"]["origin"]) == ("http://here/v1", "openrag.toml")
    assert (entries["store"]["value"], entries["store"]["origin"]) == ("elsewhere", "flag")
    assert (entries["threads"]["value"], entries["port"]["origin"]) == (2, "default")


@pytest.mark.parametrize(
    "arguments", [["show"], ["show", "--json"], ["get", "llm.api_key"], ["get", "token", "--json"]]
)
def test_no_secret_is_shown(cli, environment, arguments):
    for name in ("OPENRAG_LLM_API_KEY", "OPENRAG_TOKEN", "AUTH_TOKEN"):
        environment.setenv(name, "hush-hush")
    result = cli("config", *arguments)
    assert "hush-hush" not in result.out + result.err
    assert "********" in result.out


def test_a_value_is_set_where_it_is_read_and_the_rest_of_the_file_stays(cli, tmp_path):
    path = tmp_path / "none.toml"  # what OPENRAG_CONFIG names
    path.write_text('# mine\nlanguage = "French" # because\n\n[llm]\nmodel = "old"\n')
    assert cli("config", "set", "llm.model", "new").code == 0
    assert cli("config", "set", "port", "0").code == 0
    assert path.read_text() == '# mine\nlanguage = "French" # because\nport = 0\n\n[llm]\nmodel = "new"\n'
    assert cli("config", "get", "llm.model").out == "new\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert cli("config", "unset", "llm.model").code == 0
    assert cli("config", "get", "llm.model").code == ExitCode.NO
    assert cli("config", "unset", "llm.model").code == ExitCode.NO


def test_the_project_has_a_file_of_its_own(cli, tmp_path):
    assert cli("config", "set", "workers", "3", "--project").code == 0
    assert tomllib.loads((tmp_path / "openrag.toml").read_text()) == {"workers": 3}
    assert cli("config", "path").out.splitlines() == [str(tmp_path / "openrag.toml"), str(tmp_path / "none.toml")]


def test_an_empty_stdin_sets_nothing(process):
    result = process("config", "set", "token", "-", stdin=b" \n")
    assert result.code == 2
    assert "standard input was empty: nothing was set" in result.err
    assert "openrag config unset token" in result.err
    assert process("config", "get", "token").code == 1


def test_a_secret_is_set_from_stdin(process, tmp_path):
    assert process("config", "set", "llm.api_key", "-", stdin=b"hush\n").code == 0
    assert tomllib.loads((tmp_path / "none.toml").read_text()) == {"llm": {"api_key": "hush"}}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["set", "llm.modle", "x"], "did you mean 'llm.model'?"),
        (["get", "thread"], "did you mean 'threads'?"),
        (["set", "threads", "many"], "must be a whole number, not 'many'"),
        (["set", "llm.base_url", "here"], "must begin with http://"),
    ],
)
def test_what_cannot_be_set_is_told_and_nothing_written(cli, tmp_path, arguments, says):
    result = cli("config", *arguments)
    assert result.code == ExitCode.CONFIG
    assert says in result.err
    assert (tmp_path / "none.toml").read_text() == ""


def test_validate_tells_everything_that_is_wrong(cli, environment, tmp_path):
    assert cli("config", "validate").code == 0
    (tmp_path / "openrag.toml").write_text("threads = 'many'\nport = -1\n")
    (tmp_path / "none.toml").write_text("nonsense = 1\n")
    environment.setenv("OPENRAG_WORKERS", "9999")
    result = cli("config", "validate")
    assert result.code == ExitCode.CONFIG
    assert [name in result.err for name in ("threads", "port", "nonsense", "workers")] == [True] * 4
    assert len(cli("config", "validate", "--json").json["problems"]) == 4


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.sampled_from(SETTINGS), st.lists(st.sampled_from(SAMPLES), min_size=4, max_size=4), st.sets(st.integers(0, 3))
)
def test_flag_wins_over_environment_over_project_over_user(environment, tmp_path, setting, candidates, given_in):
    """For every setting and whichever of the four places it is given in."""
    usable = [text for text in SAMPLES if _is_taken(setting, text)]
    texts = [text if _is_taken(setting, text) else usable[at % len(usable)] for at, text in enumerate(candidates)]
    project, user = tmp_path / "openrag.toml", tmp_path / "user.toml"
    for path, at in ((project, 2), (user, 3)):
        path.unlink(missing_ok=True)
        if at == 3:
            path.touch()
        if at in given_in:
            set_value(path, setting.key, texts[at])
    if 2 in given_in:
        trust(project_config_path(), project.read_bytes())
    flags = {setting.key: texts[0]} if 0 in given_in else {}
    environ = {"OPENRAG_CONFIG": str(user)} | ({setting.env[0]: texts[1]} if 1 in given_in else {})
    found = load(flags, environ)
    origins = ["flag", f"environment {setting.env[0]}", "openrag.toml", str(user)]
    if given_in:
        first = min(given_in)
        assert found.origins[setting.key] == origins[first]
        assert getattr(found.settings, setting.attribute) == setting.parse(texts[first])
    else:
        assert found.origins[setting.key] == "default"
    if 3 in given_in:
        assert unset_value(user, setting.key)
        assert not unset_value(user, setting.key)


def _is_taken(setting, text):
    try:
        setting.parse(text)
    except ValueError:
        return False
    return True
