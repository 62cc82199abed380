"""Changing a configuration file: one value, with everything else as it was, comments included."""

import tomllib
from pathlib import Path
from typing import Any

from openrag_cli.config import folder_trust
from openrag_cli.config.atomic_file import replace_file
from openrag_cli.config.settings import Setting, setting_of
from openrag_cli.errors import ConfigError, os_errors


def set_value(path: Path, key: str, text: str) -> Any:
    """Set `key` in the file at `path`, made if there is none, and return the value as it is read back.

    The file is replaced as a whole, so a crash leaves the old one or the new one; it is readable by its owner only.

    Raises:
        ConfigError: no such key, a value that it cannot have, or a file that is not TOML. Forbidden, StoreError: by cause.
    """
    setting = setting_of(key)
    value = _checked(setting, text)
    document = _document(path)
    *tables, name = key.split(".")
    place: Any = document
    for table in tables:
        place = place.setdefault(table, {})
    place[name] = _plain(value, text)
    text_after = document.as_string()
    _check_readable(setting, text_after)
    replace_file(path, text_after)
    return value


def unset_value(path: Path, key: str) -> bool:
    """Remove `key` from the file at `path`; return whether it was there. Raises: as `set_value`."""
    setting_of(key)
    document = _document(path)
    *tables, name = key.split(".")
    place: Any = document
    for table in tables:
        place = place.get(table, {})
    if name not in place:
        return False
    del place[name]
    replace_file(path, document.as_string())
    return True


def _checked(setting: Setting, text: str) -> Any:
    try:
        return setting.parse(text)
    except ValueError as exc:
        raise ConfigError(f"{setting.key} {exc}{setting.said_of(text)}", hint=setting.help) from None


def _check_readable(setting: Setting, content: str) -> None:
    """Refuse what no command could read back. Raises: ConfigError."""
    try:
        tomllib.loads(content.encode("utf-8").decode("utf-8"))
    except (UnicodeError, tomllib.TOMLDecodeError) as exc:
        what = "is not valid UTF-8" if isinstance(exc, UnicodeError) else f"cannot stand in a file of settings: {exc}"
        raise ConfigError(f"the value of {setting.key} {what}: nothing was written", hint=setting.help) from None


def _plain(value: Any, text: str) -> Any:
    """Return what TOML is to hold: numbers, truth values and lists as such, a path as it was given."""
    if isinstance(value, tuple):
        return list(value)
    return value if isinstance(value, bool | int | float) else text


def _document(path: Path) -> Any:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    with os_errors(f"reading {path}"):
        content = folder_trust.read_folder_file(path) or b""
    text = content.decode("utf-8-sig", "surrogateescape")
    try:
        return tomlkit.parse(text)
    except TOMLKitError as exc:
        raise ConfigError(f"{path} is not valid TOML: {exc}", hint=f"edit {path}") from exc
