"""Settings: flag, environment, project, user, default, in this order; wrong ones are named, never a traceback."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openrag_cli.config.folder_trust import trust
from openrag_cli.config.settings import SETTINGS, Config, load, problems, project_config_path, user_config_path
from openrag_cli.errors import ConfigError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, and a state folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def write_trusted(folder: Path, text: str) -> None:
    """Write the file of a folder and trust it."""
    (folder / "openrag.toml").write_text(text)
    trust(project_config_path(), text.encode())


def load_from(
    folder: Path, *, flag: object = None, environment: str | None = None, project: object = None, user: object = None
) -> Config:
    """Load with the number of threads set where it is given."""
    environ = {"OPENRAG_CONFIG": str(folder / "user.toml")}
    for path, value in ((folder / "openrag.toml", project), (folder / "user.toml", user)):
        path.write_text("" if value is None else f"threads = {value}\n")
    trust(project_config_path(), (folder / "openrag.toml").read_bytes())
    if environment is not None:
        environ["OPENRAG_THREADS"] = environment
    return load({"threads": flag}, environ)


MAYBE = st.none() | st.integers(1, 1024)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(flag=MAYBE, environment=MAYBE, project=MAYBE, user=MAYBE)
def test_the_nearest_source_wins_and_is_named(
    flag: int | None, environment: int | None, project: int | None, user: int | None, home: Path
) -> None:
    config = load_from(
        home,
        flag=flag,
        environment=None if environment is None else str(environment),
        project=project,
        user=user,
    )
    sources = [
        (flag, "flag"),
        (environment, "environment OPENRAG_THREADS"),
        (project, "openrag.toml"),
        (user, str(home / "user.toml")),
    ]
    expected = next(((value, name) for value, name in sources if value is not None), None)
    if expected is None:
        assert config.origins["threads"] == "default"
        assert config.settings.threads >= 1
    else:
        assert (config.settings.threads, config.origins["threads"]) == expected


def test_every_setting_has_a_default_and_an_origin(home: Path) -> None:
    config = load({}, {"OPENRAG_CONFIG": os.devnull})
    assert config.origins == dict.fromkeys((setting.key for setting in SETTINGS), "default")
    for setting in SETTINGS:
        getattr(config.settings, setting.attribute)


SAMPLES = [
    "/some/where",
    "french",
    "3",
    "true",
    "json",
    "debug",
    "http://here/v1",
    "600",
    "small",
    "append",
    "string",
]


def is_taken(setting: Any, text: str) -> bool:
    try:
        setting.parse(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_every_setting_can_be_given_in_every_place(setting: Any, home: Path) -> None:
    value, parsed = next((text, setting.parse(text)) for text in SAMPLES if is_taken(setting, text))
    for flags, environ, text in (
        ({setting.key: value}, {}, ""),
        ({}, {setting.env[0]: value}, ""),
        ({}, {}, f"{setting.key} = '{value}'"),
    ):
        write_trusted(home, text)
        config = load(flags, environ | {"OPENRAG_CONFIG": os.devnull})
        assert getattr(config.settings, setting.attribute) == parsed
        assert config.origins[setting.key] != "default"


def test_an_empty_variable_counts_as_not_set(home: Path) -> None:
    assert load_from(home, environment="", project=7).settings.threads == 7


JUNK = st.sampled_from(
    [
        "0", "-1", "1025", "2.5", "inf", "nan", "true", "'many'", "[1]", "[]", "{a = 1}", "1979-05-27", "''", "1e400",
        '"\\u0000"', "9999999999999999999999999",
    ]
)  # fmt: skip


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.sampled_from([setting.key for setting in SETTINGS]), value=JUNK)
def test_a_value_of_the_wrong_kind_is_a_configuration_error_or_taken_never_a_traceback(
    key: str, value: str, home: Path
) -> None:
    write_trusted(home, f"{key} = {value}\n")
    try:
        load({}, {"OPENRAG_CONFIG": os.devnull})
    except ConfigError as exc:
        assert key in exc.message  # noqa: PT017 - that it is raised is not the point


@pytest.mark.parametrize("value", ["0", "1025", "2.5", "inf", "nan", "true", "'x'", "[2]"])
def test_a_number_that_is_none_or_out_of_range_is_refused_by_name(home: Path, value: str) -> None:
    with pytest.raises(ConfigError, match=r"openrag\.toml: threads must be"):
        load_from(home, project=value)


@given(text=st.text(max_size=20).filter(lambda text: "\0" not in text))
def test_no_text_in_a_variable_gives_a_traceback(text: str) -> None:
    for setting in SETTINGS:
        environ = {"OPENRAG_CONFIG": os.devnull, setting.env[0]: text}
        try:
            load({}, environ)
        except ConfigError as exc:
            assert setting.key in exc.message  # noqa: PT017


def test_an_unknown_key_names_the_nearest_one(home: Path) -> None:
    write_trusted(home, "thread = 2\n")
    with pytest.raises(ConfigError, match="no setting 'thread'") as caught:
        load({}, {"OPENRAG_CONFIG": os.devnull})
    assert caught.value.hint == "did you mean 'threads'?"


@pytest.mark.parametrize("content", [b"threads = ", b"\xff\xfe", b"threads = 1\nthreads = 2\n"])
def test_a_file_that_is_not_toml_is_named(home: Path, content: bytes) -> None:
    (home / "openrag.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"openrag\.toml is not valid TOML"):
        load({}, {"OPENRAG_CONFIG": os.devnull})


def test_a_file_that_cannot_be_read_is_named(home: Path) -> None:
    (home / "openrag.toml").mkdir()
    with pytest.raises(ConfigError, match=r"openrag\.toml cannot be read"):
        load({}, {"OPENRAG_CONFIG": os.devnull})


def test_a_secret_is_not_shown_in_an_error(home: Path) -> None:
    write_trusted(home, "token = ['hunter2']\n")
    with pytest.raises(ConfigError) as caught:
        load({}, {"OPENRAG_CONFIG": os.devnull})
    assert "hunter2" not in caught.value.message


def test_a_home_that_nobody_has_is_a_configuration_error(home: Path) -> None:
    with pytest.raises(ConfigError, match="store"):
        load({"store": "~nobody-has-this-name/x"}, {"OPENRAG_CONFIG": os.devnull})
    assert load({"store": "~/x"}, {"OPENRAG_CONFIG": os.devnull}).settings.store == Path.home() / "x"


def test_paths_of_configuration_files(home: Path) -> None:
    assert user_config_path({"OPENRAG_CONFIG": "/else/c.toml"}) == Path("/else/c.toml")
    assert user_config_path({}).name == "config.toml"
    assert project_config_path() == Path("openrag.toml")


def test_a_secret_may_stand_in_a_file_that_a_variable_names(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("  a-long-secret\n")
    found = load(environ={"AUTH_TOKEN_FILE": str(path)})
    assert found.settings.auth_token is not None
    assert found.settings.auth_token.reveal() == "a-long-secret"
    assert found.origins["auth_token"] == "environment AUTH_TOKEN_FILE"
    both = load(environ={"AUTH_TOKEN_FILE": str(path), "AUTH_TOKEN": "another-secret"})
    assert both.origins["auth_token"] == "environment AUTH_TOKEN"
    assert load(environ={"OPENRAG_STORE_FILE": str(path)}).origins["store"] == "default", "of secrets alone"


@pytest.mark.parametrize(
    "content",
    [None, b"", b" \n", b"\xff\xfe\xff", b"x" * 65_537],
    ids=["none", "empty", "blank", "no text", "cut"],
)
def test_a_file_without_a_secret_is_named_and_not_taken_for_no_secret(
    home: Path, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"AUTH_TOKEN_FILE names {path}, "):
        load(environ={"AUTH_TOKEN_FILE": str(path)})
    assert [str(one) for one in problems({"AUTH_TOKEN_FILE": str(path)}) if "AUTH_TOKEN_FILE" in str(one)]
