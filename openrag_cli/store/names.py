"""The rules for the names of partitions and files."""

import unicodedata

from openrag_cli import limits
from openrag_cli.domain import ALL_PARTITIONS
from openrag_cli.errors import InvalidFileId, InvalidInput
from openrag_cli.terminal import is_safe_name

MAX_PARTITION_CHARS = limits.most("partition_chars")
MAX_FILE_ID_CHARS = limits.most("file_id_chars")


def canonical(name: str) -> str:
    """Return the form of a name that is kept: names that look the same are one name, however they are typed (NFC)."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def forms(text: str) -> list[str]:
    """Return a text first, and then the canonically equivalent ones that a keyboard or a file system may have made."""
    if text.isascii():
        return [text]
    return list(dict.fromkeys((text, *(unicodedata.normalize(form, text) for form in ("NFC", "NFD")))))


def check_partition(name: str) -> str:
    """Return `name` if it may name a partition.

    Raises:
        InvalidInput: empty, over 128 characters, with `/`, a character that no name may have (see `terminal`),
            a space at either end, or `all`.
    """
    problem = None
    if not name.strip():
        problem = "is empty"
    elif len(name) > MAX_PARTITION_CHARS:
        problem = f"has more than {MAX_PARTITION_CHARS} characters"
    elif name != name.strip():
        problem = "begins or ends with a space"
    elif "/" in name:
        problem = "contains '/'"
    elif not is_safe_name(name) or "\ufffd" in name:
        problem = (
            "contains a control or bidirectional character, a line break, or a character that could not be decoded"
        )
    elif name == ALL_PARTITIONS:
        problem = "is reserved: in a search it means every partition"
    if problem:
        raise InvalidInput(f"the partition name {name[:80]!r} {problem}", hint="choose a name such as 'handbook'")
    return name


def check_new_id(file_id: str) -> str:
    """Return `file_id` if a person may give it to a file: as `check_file_id`, and no part of it is `..`.

    Raises:
        InvalidInput: see there. Ids of clients over HTTP mean nothing to us, and may hold it.
    """
    if ".." in file_id.split("/"):
        raise InvalidInput(f"the file id {file_id[:80]!r} holds '..'", hint="choose another id with --id")
    return check_file_id(file_id)


def check_file_id(file_id: str) -> str:
    """Return `file_id` if it may name a file.

    Raises:
        InvalidFileId: with U+FFFD or a character that no name may have (see `terminal`).
        InvalidInput: blank, over 512 characters, or with `/` at either end.
    """
    problem = None
    kind: type[InvalidInput] = InvalidInput
    if not file_id.strip():
        problem = "is empty"
    elif len(file_id) > MAX_FILE_ID_CHARS:
        problem = f"has more than {MAX_FILE_ID_CHARS} characters"
    elif not is_safe_name(file_id) or "\ufffd" in file_id:
        kind = InvalidFileId
        problem = (
            "contains a control or bidirectional character, a line break, or a character that could not be decoded"
        )
    elif file_id.startswith("/") or file_id.endswith("/"):
        problem = "begins or ends with '/'"
    if problem:
        raise kind(f"the file id {file_id[:80]!r} {problem}", hint="choose another id with --id")
    return file_id
