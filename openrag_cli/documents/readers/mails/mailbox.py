"""Mailboxes (mbox): one message after the other, each with its head, in their order."""

import re
from collections.abc import Iterator
from email import message_from_bytes, policy

from openrag_cli.documents.media_types import MBOX
from openrag_cli.documents.readers.base import Source, cut, parser_errors, read_bytes
from openrag_cli.documents.readers.mails.headers import Part
from openrag_cli.documents.readers.mails.mail import MailReader, tell_attachments
from openrag_cli.domain import Document

# "From ada@example.org Thu Nov 26 03:15:51 2026", and a line of the head below it: a line of prose has neither.
_ENVELOPE = re.compile(rb"^From [^\r\n]*\d\d:\d\d[^\r\n]*\r?\n(?=>?[!-9;-~]+:|\r?\n)", re.MULTILINE)
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)


def read_mailbox(source: Source) -> Document:
    """Read each message of a mailbox as a section: subject as heading, who and when, then its text.

    Raises:
        IngestError: corrupt.
    """
    content, _ = read_bytes(source, limit=source.limits.max_bytes)
    reader = MailReader(source)
    texts: list[str] = []
    n_chars = 0
    with parser_errors("mailbox"):
        for one in _messages(content):
            message: Part = message_from_bytes(one, policy=policy.compat32)
            texts.append(reader.message(message, depth=1))
            n_chars += len(texts[-1])
            if n_chars > source.limits.max_chars:
                break
    markdown, warnings = cut("\n\n".join(filter(None, texts)), source.limits.max_chars)
    tell_attachments(source.notes, reader.attachments)
    return Document(markdown, media_type=MBOX, has_headings=True, warnings=warnings)


def _messages(content: bytes) -> Iterator[bytes]:
    """Yield the messages, without their envelopes and with the lines that were quoted because of these as they were."""
    starts = list(_ENVELOPE.finditer(content))
    if not starts:
        yield content
    for at, start in enumerate(starts):
        end = starts[at + 1].start() if at + 1 < len(starts) else len(content)
        yield _QUOTED.sub(rb"\1", content[start.end() : end])
