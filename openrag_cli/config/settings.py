"""Settings: what can be set, from where, and which source won.

Precedence: flag, then environment, then `./openrag.toml` (see `folder_trust`), then the user's `config.toml`, then the
default. This is the only module that reads the environment.
"""

import contextlib
import difflib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from openrag_cli import limits
from openrag_cli.config import folder_trust, homes, values
from openrag_cli.config.secret import Secret, Url, in_environment
from openrag_cli.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that can be set: `key` is its name in a file, with a dot for a table; `env` lists variables."""

    key: str
    env: tuple[str, ...]
    parse: Callable[[Any], Any]
    default: Any
    help: str
    is_secret: bool = False

    @property
    def attribute(self) -> str:
        """Its name in `Settings`."""
        return self.key.replace(".", "_")

    def said_of(self, value: Any) -> str:
        """Return the end of a sentence about a value that is refused: the value itself only where nothing is secret."""
        return "" if self.is_private or "@" in str(value) else f", not {value!r}"

    @property
    def is_private(self) -> bool:
        """Whether a value may hold something secret: a token, or a URL with a password."""
        return self.is_secret or self.parse in values.OF_URLS


def _default_threads() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # absent on macOS
    return max(1, len(affinity(0)) if affinity else os.cpu_count() or 1)


SETTINGS: tuple[Setting, ...] = (
    Setting("store", ("OPENRAG_STORE",), values.path, lambda: homes.user_folder("data"), "folder of the store"),
    Setting("cache", ("OPENRAG_CACHE",), values.path, lambda: homes.usable_folder("cache"), "folder of what can be made again"),
    Setting("server", ("OPENRAG_SERVER",), values.optional_address, None, "URL of a server to work on instead of a store"),
    Setting("token", ("OPENRAG_TOKEN",), values.optional_token, None, "token sent to the server", is_secret=True),
    Setting("embed_model", ("OPENRAG_EMBED_MODEL",), values.optional_path, None,
            "folder of an ONNX embedding model with a manifest; default: the one inside the package"),
    Setting("language", ("OPENRAG_LANGUAGE",), values.language, "English",
            "language whose words a new store stems in its full-text index"),
    Setting("threads", ("OPENRAG_THREADS",), values.integer(1, 1024), _default_threads,
            "threads for embedding; default: the cores this process may use"),
    Setting("llm.base_url", ("OPENRAG_LLM_BASE_URL", "OPENAI_BASE_URL"), values.optional_url, None,
            "URL of an OpenAI-compatible LLM, up to /v1; default: OpenAI's, if llm.model is set; else answers are extractive"),
    Setting("llm.model", ("OPENRAG_LLM_MODEL", "OPENAI_MODEL"), values.optional_text, None,
            "model to ask of the LLM; default: the first that it lists"),
    Setting("llm.api_key", ("OPENRAG_LLM_API_KEY", "OPENAI_API_KEY"), values.optional_secret, None,
            "key sent to the LLM", is_secret=True),
    Setting("llm.connect_timeout_s", ("OPENRAG_LLM_CONNECT_TIMEOUT_S",), values.number(0.1, 600), 10.0,
            "seconds to wait for a connection to the LLM"),
    Setting("llm.read_timeout_s", ("OPENRAG_LLM_READ_TIMEOUT_S",), values.number(0.1, 3600), 120.0,
            "seconds that the LLM may be silent within an answer; pings do not count"),
    Setting("llm.first_token_timeout_s", ("OPENRAG_LLM_FIRST_TOKEN_TIMEOUT_S",), values.optional_number(0.1, 3600), None,
            "seconds to wait for the first token of an answer; default: llm.read_timeout_s"),
    Setting("llm.profile", ("OPENRAG_LLM_PROFILE",), values.choice("standard", "small"), "standard",
            "prompts for the LLM: small shows a small model 3 passages, the best last, and an example"),
    Setting("llm.retries", ("OPENRAG_LLM_RETRIES",), values.integer(0, 10), 2,
            "times that a request to the LLM is sent again when nothing of an answer came"),
    Setting("llm.context_tokens", ("OPENRAG_LLM_CONTEXT_TOKENS",), values.integer(512, 10_000_000), 8192,
            "window of the LLM, in tokens: what it reads and writes together"),
    Setting("llm.max_tokens", ("OPENRAG_LLM_MAX_TOKENS",), values.integer(1, 1_000_000), 1024,
            "longest answer asked of the LLM, in tokens"),
    Setting("llm.can_see", ("OPENRAG_LLM_CAN_SEE",), values.flag, "false", "whether the LLM takes images"),
    Setting("prompts", ("OPENRAG_PROMPTS",), values.optional_path, None,
            "folder with prompts that replace those of the package, by file name"),
    Setting("documents.hidden_text", ("OPENRAG_HIDDEN_TEXT",), values.flag, "false",
            "whether text that a person who opens the document does not see is indexed too"),
    Setting("max_file_bytes", ("OPENRAG_MAX_FILE_BYTES",), values.integer(1, 1 << 40), limits.most("file_bytes"),
            "largest file that is taken in and read, in bytes"),
    Setting("max_markup_bytes", ("OPENRAG_MAX_MARKUP_BYTES",), values.integer(1, 1 << 40), limits.most("markup_bytes"),
            "largest file of HTML or XML that is taken in and read, in bytes"),
    Setting("max_queued_tasks", ("OPENRAG_MAX_QUEUED_TASKS",), values.integer(1, 1 << 40), limits.most("queued_tasks"),
            "unfinished tasks that the queue holds at most"),
    Setting("tasks.keep_days", ("OPENRAG_TASKS_KEEP_DAYS",), values.number(0, 36_500), 30.0,
            "days that finished tasks and their logs are kept; those that can be retried stay"),
    Setting("tasks.keep", ("OPENRAG_TASKS_KEEP",), values.integer(0, 1 << 40), 100_000,
            "newest tasks of which finished ones are kept at most; those that can be retried stay"),
    Setting("host", ("OPENRAG_HOST",), values.host, "127.0.0.1", "address that the server binds"),
    Setting("port", ("OPENRAG_PORT",), values.integer(0, 65535), 8080, "port of the server; 0 takes any that is free"),
    Setting("workers", ("OPENRAG_WORKERS",), values.integer(0, 64), 1, "indexing processes of the server"),
    Setting("root_path", ("OPENRAG_ROOT_PATH",), values.optional_path_text, "", "path under which a proxy serves the server"),
    Setting("auth_token", ("OPENRAG_AUTH_TOKEN", "AUTH_TOKEN"), values.optional_token, None,
            "token that every request to the server needs", is_secret=True),
    Setting("allowed_hosts", ("OPENRAG_ALLOWED_HOSTS",), values.public_words, (),
            "names in the Host header that the server answers to, besides its own; default: any, off loopback with a token"),
    Setting("public_url", ("OPENRAG_PUBLIC_URL",), values.optional_public_url, None,
            "URL under which clients reach the server, for the links in its answers; default: what the request names"),
    Setting("cors_origins", ("OPENRAG_CORS_ORIGINS",), values.public_words, (), "origins whose scripts may call the server"),
    Setting("head_timeout_s", ("OPENRAG_HEAD_TIMEOUT_S",), values.number(0.1, 3600), 15.0,
            "seconds that the head of a request may take"),
    Setting("idle_timeout_s", ("OPENRAG_IDLE_TIMEOUT_S",), values.integer(1, 86400), 75,
            "seconds that an idle connection is kept open; more than the pools of proxies, which keep them for 60"),
    Setting("body_timeout_s", ("OPENRAG_BODY_TIMEOUT_S",), values.number(0.1, 3600), 30.0,
            "seconds that the body of a request may stall"),
    Setting("chat_sources", ("OPENRAG_CHAT_SOURCES",), values.choice("extra", "append"), "extra",
            "where /v1 tells the sources of an answer: beside it alone (extra), or as a list at its end too (append)"),
    Setting("chat_extra", ("OPENRAG_CHAT_EXTRA",), values.choice("object", "string"), "object", "form of `extra` of /v1"),
    Setting("log_format", ("OPENRAG_LOG_FORMAT",), values.choice("text", "json"), "text", "form of the server's log lines"),
    Setting("ray.enabled", ("ENABLE_RAY_SERVE",), values.flag, "false", "serve through Ray Serve instead of uvicorn"),
    Setting("ray.replicas", ("RAY_SERVE_NUM_REPLICAS",), values.integer(1, 1024), 1, "replicas of the server on Ray"),
    Setting("ray.host", ("RAY_SERVE_HOST",), values.host, "0.0.0.0", "address that Ray Serve binds"),  # noqa: S104
    Setting("ray.port", ("RAY_SERVE_PORT",), values.integer(1, 65535), 8080, "port of Ray Serve"),
    Setting("ray.address", ("RAY_ADDRESS",), values.optional_address, None, "Ray cluster; default: a local one is started"),
    Setting("partition", ("OPENRAG_PARTITION",), values.optional_text, None,
            "partition of commands on files and of searches; default: default, and for searches all"),
    Setting("top_k", ("OPENRAG_TOP_K",), values.optional_integer(1, 1000), None,
            "hits of a search, and passages behind an answer; default: 5 and 8"),
    Setting("filter", ("OPENRAG_FILTER",), values.optional_text, None,
            "condition on metadata of searches and answers; default: none"),
    Setting("output", ("OPENRAG_OUTPUT",), values.choice("text", "json"), "text", "what commands print: json is --json"),
    Setting("log_level", ("OPENRAG_LOG_LEVEL",), values.level, "WARNING", "least level of log records shown on stderr"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """The value of every setting; the attributes are the keys of `SETTINGS` with `.` as `_`."""

    store: Path
    cache: Path
    server: Url | None
    token: Secret | None
    embed_model: Path | None
    language: str
    threads: int
    llm_base_url: Url | None
    llm_model: str | None
    llm_api_key: Secret | None
    llm_connect_timeout_s: float
    llm_read_timeout_s: float
    llm_first_token_timeout_s: float | None
    llm_profile: str
    llm_retries: int
    llm_context_tokens: int
    llm_max_tokens: int
    llm_can_see: bool
    prompts: Path | None
    documents_hidden_text: bool
    max_file_bytes: int
    max_markup_bytes: int
    max_queued_tasks: int
    tasks_keep_days: float
    tasks_keep: int
    host: str
    port: int
    workers: int
    root_path: str
    auth_token: Secret | None
    allowed_hosts: tuple[str, ...]
    public_url: str | None
    cors_origins: tuple[str, ...]
    head_timeout_s: float
    idle_timeout_s: int
    body_timeout_s: float
    chat_sources: str
    chat_extra: str
    log_format: str
    ray_enabled: bool
    ray_replicas: int
    ray_host: str
    ray_port: int
    ray_address: Url | None
    partition: str | None
    top_k: int | None
    filter: str | None
    output: str
    log_level: str


@dataclass(frozen=True, slots=True)
class Config:
    """Settings, for each key where its value came from, and the keys of the folder's file that were not obeyed."""

    settings: Settings
    origins: Mapping[str, str]
    ignored: tuple[str, ...] = ()


def user_config_path(environ: Mapping[str, str] | None = None) -> Path:
    """Return the path of the user's configuration file, whether or not it exists."""
    explicit = (os.environ if environ is None else environ).get("OPENRAG_CONFIG")
    return Path(explicit) if explicit else homes.user_folder("config") / "config.toml"


def _read_user_file(environ: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """Return the path of the user's file and what it sets. Raises: ConfigError, also where a named one is not there."""
    try:
        path = user_config_path(environ)
    except homes.NoHome:
        return "", {}
    if environ.get("OPENRAG_CONFIG") and path != Path(os.devnull) and folder_trust.read_folder_file(path) is None:
        raise ConfigError(
            f"OPENRAG_CONFIG names {path}, and there is no such file",
            hint="openrag config set makes it; or unset OPENRAG_CONFIG",
        )
    return str(path), _read_file(path)


def project_config_path() -> Path:
    """Return the path of the configuration file of the current folder, whether or not it exists."""
    return Path("openrag.toml")


def read_project_file() -> tuple[bytes | None, dict[str, Any]]:
    """Return the content of the current folder's file (None: there is none) and what it sets, trusted or not.

    Raises:
        ConfigError: it cannot be read, is not TOML, or names a setting that there is not.
    """
    path = project_config_path()
    content = folder_trust.read_folder_file(path)
    return content, {} if content is None else _known(path, _parsed_toml(path, content))


def load(flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Resolve every setting; `flags` maps keys to values given on the command line (None: not given).

    Raises:
        ConfigError: an unknown key, a value out of range, or a file that is not TOML.
    """
    environ = os.environ if environ is None else environ
    sources: list[tuple[str, dict[str, Any]]] = [
        ("flag", {key: value for key, value in (flags or {}).items() if value is not None}),
        ("environment", {}),
    ]
    project = project_config_path()
    obeyed, ignored = _read_folder(project)
    sources += [(str(project), obeyed), _read_user_file(environ)]
    found: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for setting in SETTINGS:
        try:
            found[setting.attribute], origins[setting.key] = _resolve(setting, sources, environ)
        except homes.NoHome:  # of the store, which is resolved first, and of the cache
            found[setting.attribute] = found["store"] / "cache" if found else homes.NOWHERE
            origins[setting.key] = homes.NO_HOME
    return Config(settings=Settings(**found), origins=origins, ignored=ignored)


def prefers_json() -> bool:
    """Whether `output` is json; false where the settings are wrong, which the command that reads them says."""
    try:
        return load().settings.output == "json"
    except ConfigError:
        return False


def setting_of(key: str) -> Setting:
    """Return the setting of that name. Raises: ConfigError, naming the nearest one."""
    for setting in SETTINGS:
        if setting.key == key:
            return setting
    raise _unknown(f"there is no setting '{key}'", key)


def _unknown(message: str, key: str) -> ConfigError:
    known = [setting.key for setting in SETTINGS]
    near = difflib.get_close_matches(key, known, n=1)
    return ConfigError(
        message, hint=f"did you mean '{near[0]}'?" if near else f"the settings are {', '.join(sorted(known))}"
    )


def problems(environ: Mapping[str, str] | None = None) -> list[ConfigError]:
    """Return everything that is wrong in the two files and the environment."""
    environ = os.environ if environ is None else environ
    found: list[ConfigError] = []
    for read in (_read_project_settings, lambda: _read_user_file(environ)):
        origin, given = "", dict[str, Any]()
        with _collected(found):
            origin, given = read()
        for key, value in given.items():
            with _collected(found):
                _parsed(setting_of(key), value, origin)
    for setting in SETTINGS:
        with _collected(found):
            for name, value in in_environment(setting.env, environ, is_secret=setting.is_secret):
                _parsed(setting, value, f"the environment variable {name}")
    return found


def _read_project_settings() -> tuple[str, dict[str, Any]]:
    return str(project_config_path()), read_project_file()[1]


@contextlib.contextmanager
def _collected(found: list[ConfigError]) -> Iterator[None]:
    try:
        yield
    except ConfigError as exc:
        found.append(exc)


def _resolve(
    setting: Setting, sources: list[tuple[str, dict[str, Any]]], environ: Mapping[str, str]
) -> tuple[Any, str]:
    for origin, source in sources:
        if origin == "environment":
            for name, value in in_environment(setting.env, environ, is_secret=setting.is_secret):
                return _parsed(setting, value, f"the environment variable {name}"), f"environment {name}"
        elif setting.key in source:
            where = f"--{setting.key.replace('_', '-')}" if origin == "flag" else origin
            return _parsed(setting, source[setting.key], where), origin
    default = setting.default() if callable(setting.default) else setting.default
    return setting.parse(default) if isinstance(default, str) else default, "default"


def _parsed(setting: Setting, value: Any, where: str) -> Any:
    try:
        return setting.parse(value)
    except ValueError as exc:
        raise ConfigError(f"{where}: {setting.key} {exc}{setting.said_of(value)}", hint=setting.help) from None


def _read_folder(path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return what the file of the folder sets, and the keys in it that are not obeyed: see `folder_trust`."""
    content = folder_trust.read_folder_file(path)
    if content is None:
        return {}, ()
    given = _parsed_toml(path, content)
    if folder_trust.is_trusted(path, content):
        return _known(path, given), ()
    obeyed = {key: value for key, value in given.items() if key in folder_trust.FREE_KEYS}
    return obeyed, tuple(key for key in given if key not in obeyed)


def _read_file(path: Path) -> dict[str, Any]:
    content = None if os.fspath(path) == os.devnull else folder_trust.read_folder_file(path)
    return {} if content is None else _known(path, _parsed_toml(path, content))


def _parsed_toml(path: Path, content: bytes) -> dict[str, Any]:
    from tomllib import loads  # most runs read no such file

    try:
        return _flatten(loads(content.decode("utf-8-sig")))
    except ValueError as exc:  # TOMLDecodeError, UnicodeDecodeError
        raise ConfigError(f"{path} is not valid TOML: {exc}", hint=f"edit {path}") from exc
    except RecursionError:
        raise ConfigError(f"{path} is nested too deeply", hint=f"edit {path}") from None


def _known(path: Path, given: dict[str, Any]) -> dict[str, Any]:
    """Return what a file sets. Raises: ConfigError, when it names a setting that there is not."""
    known = {setting.key for setting in SETTINGS}
    for key in given:
        if key not in known:
            raise _unknown(f"{path}: there is no setting '{key}'", key)
    return given


def _flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def child_environment() -> dict[str, str]:
    """Return the environment for a process of our own: everything that this process was given."""
    return dict(os.environ)


def color_is_refused() -> bool:
    """Whether NO_COLOR (no-color.org) asks for none, or the terminal can show none."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def failpoint_name() -> str | None:
    """Return the point of the ingest protocol at which a crash test wants this process to die, if any."""
    return os.environ.get("OPENRAG_FAILPOINT")


assert {setting.attribute for setting in SETTINGS} == {entry.name for entry in fields(Settings)}
