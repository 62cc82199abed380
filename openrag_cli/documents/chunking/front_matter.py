"""Front matter: what a text says of itself at its very beginning, in YAML (`---`), TOML (`+++`) or JSON (`{`)."""

import json
import re

_YAML = re.compile(r"---[ \t]*\n(?=[\w\"'#])(?:.*\n)*?(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
_TOML = re.compile(r"\+\+\+[ \t]*\n((?:.*\n)*?)\+\+\+[ \t]*(?:\n|\Z)")
_AFTER_JSON = re.compile(r"[ \t]*(?:\n|\Z)")
_MAX_JSON_CHARS = 64 * 1024
_BLOCKS = frozenset((">", "|", ">-", "|-", ">+", "|+"))


def front_matter_end(text: str) -> int:
    """Return where the front matter of a text ends; 0 where it has none."""
    found = _YAML.match(text)
    return found.end() if found else _marked(text)[0]


def front_matter_fields(text: str) -> dict[str, object]:
    """Return the fields of the front matter: texts, numbers, and lists of them; what is nested deeper is left out."""
    found = _YAML.match(text)
    return fields_of_lines(found[0]) if found else _flat(_marked(text)[1])


def _marked(text: str) -> tuple[int, dict[str, object]]:
    """Return (where it ends, what it says) of front matter in TOML or JSON; what cannot be read is none."""
    if text.startswith("+++") and (toml := _TOML.match(text)):
        import tomllib

        try:
            return toml.end(), tomllib.loads(toml[1])
        except (tomllib.TOMLDecodeError, RecursionError):
            return 0, {}
    if text.startswith("{"):
        try:
            said, end = json.JSONDecoder().raw_decode(text[:_MAX_JSON_CHARS])
        except (ValueError, RecursionError):
            return 0, {}
        after = _AFTER_JSON.match(text, end)
        return (after.end(), said) if after and said else (0, {})
    return 0, {}


def _flat(said: dict[str, object]) -> dict[str, object]:
    fields: dict[str, object] = {}
    for name, value in said.items():
        items = value if isinstance(value, list) else [value]
        plain = [item if isinstance(item, str | int | float) else str(item) for item in items if _is_plain(item)]
        if plain:
            fields[name] = plain if isinstance(value, list) else plain[0]
    return fields


def _is_plain(value: object) -> bool:
    return value not in (None, "") and not isinstance(value, dict | list)


def fields_of_lines(head: str) -> dict[str, object]:
    """Return the fields of the plain part of YAML, or of a list of fields: `key: value`, `[a, b]`, lists of dashes."""
    fields: dict[str, object] = {}
    key = ""
    for line in head.splitlines():
        named = re.fullmatch(r":?([A-Za-z][\w -]{0,60}?):(?:[ \t]+(.*))?", line)
        item = re.fullmatch(r"[ \t]*-[ \t]+(.*)", line)
        if named:
            key = named[1].strip()
            fields[key] = _value(named[2] or "")
        elif item and key and not isinstance(fields[key], dict):
            held = fields[key]
            fields[key] = [*(held if isinstance(held, list) else []), _unquoted(item[1])]
        elif line.startswith((" ", "\t")) and key and isinstance(fields[key], str) and fields[key]:
            fields[key] = _value(line if fields[key] in _BLOCKS else f"{fields[key]} {line.strip()}")
    return {name: value for name, value in fields.items() if value not in ("", *_BLOCKS)}


def _value(text: str) -> object:
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        return [_unquoted(part) for part in text[1:-1].split(",") if part.strip()]
    if text in {"true", "false"}:
        return text == "true"
    if re.fullmatch(r"-?\d{1,15}", text) and not re.match(r"-?0\d", text):
        return int(text)
    return _unquoted(text)


def _unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text
