"""Mail (RFC 5322 and MIME) with the standard library."""

from email import message_from_bytes, policy
from email.message import EmailMessage

from openrag_cli.documents.encoding import NotText, decode_text
from openrag_cli.documents.media_types import EML
from openrag_cli.documents.readers.base import Source, cut, parser_errors, read_bytes
from openrag_cli.documents.readers.html import fragment_markdown
from openrag_cli.domain import Document, DocumentWarning

_HEADERS = ("From", "To", "Cc", "Date")


def read_mail(source: Source) -> Document:
    """Read a message: subject as heading, who and when, the plain text, or the HTML where there is no plain text.

    Attachments are named in a warning and not read.

    Raises:
        IngestError: corrupt.
    """
    content, _ = read_bytes(source, limit=source.limits.max_bytes)
    with parser_errors("message"):
        mail = message_from_bytes(content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        subject = " ".join(str(mail.get("Subject", "")).split())
        head = [f"{name}: {mail[name]}" for name in _HEADERS if mail[name]]
        body, attachments = _body_and_attachments(mail, source)
    parts = [f"# {subject}" if subject else "", "\n".join(head), body.strip()]
    markdown, warnings = cut("\n\n".join(part for part in parts if part), source.limits.max_chars)
    if attachments:
        names = ", ".join(attachments[:10])
        message = f"{len(attachments)} attachments are not indexed: {names}"
        warnings = (*warnings, DocumentWarning("attachments_left_out", message))
    return Document(markdown, media_type=EML, has_headings=True, warnings=warnings)


def _body_and_attachments(message: EmailMessage, source: Source) -> tuple[str, list[str]]:
    plain: list[str] = []
    html: list[str] = []
    attachments: list[str] = []
    for part in message.walk():
        if part.is_multipart():
            continue
        kind = part.get_content_type()
        if part.get_content_disposition() == "attachment" or kind not in {"text/plain", "text/html"}:
            attachments.append(part.get_filename() or kind)
        elif kind == "text/plain":
            plain.append(_text(part))
        else:
            html.append(_text(part))
    if any(text.strip() for text in plain):
        return "\n\n".join(plain), attachments
    return "\n\n".join(fragment_markdown(text, source) for text in html), attachments


def _text(part: EmailMessage) -> str:
    """Return the text of a part: in the charset that it states, where that is true, else as any other text."""
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):  # a part whose headers contradict each other has none
        return ""
    try:
        text = content.decode(part.get_content_charset() or "ascii")
    except (LookupError, UnicodeError):
        try:
            text = decode_text(content)[0]
        except NotText:
            return ""
    return text.replace("\r\n", "\n")
