"""What people put on a page: values of form fields and comments, each on a line below the page's text."""

import ctypes
from collections.abc import Callable
from typing import Any

MAX_ANNOTATIONS = 2_000
"""Of one page."""

_HIDDEN = 2  # a flag of an annotation
_BUTTON, _CHECK, _RADIO, _SIGNATURE = 1, 2, 3, 7  # types of form fields


def annotation_lines(page: Any, form: Any) -> list[str]:
    """Return `name: value` of the form fields of a page that are filled in, and its comments with their authors.

    `form` is the document's form environment; None where it has no form.
    """
    from pypdfium2 import raw

    lines: list[str] = []
    for at in range(min(raw.FPDFPage_GetAnnotCount(page), MAX_ANNOTATIONS)):
        annotation = raw.FPDFPage_GetAnnot(page, at)
        if not annotation:
            continue
        try:
            lines += _lines(raw, annotation, form)
        finally:
            raw.FPDFPage_CloseAnnot(annotation)
    return list(dict.fromkeys(lines))


def _lines(raw: Any, annotation: Any, form: Any) -> list[str]:
    kind = raw.FPDFAnnot_GetSubtype(annotation)
    if raw.FPDFAnnot_GetFlags(annotation) & _HIDDEN:
        return []
    if kind == raw.FPDF_ANNOT_WIDGET:
        line = _field(raw, annotation, form) if form else ""
        return [line] if line else []
    if kind in {raw.FPDF_ANNOT_LINK, raw.FPDF_ANNOT_POPUP}:
        return []
    text = _string(raw, annotation, b"Contents")
    author = _string(raw, annotation, b"T")
    return [f"Comment{f' ({author})' if author else ''}: {text}"] if text else []


def _field(raw: Any, annotation: Any, form: Any) -> str:
    kind = raw.FPDFAnnot_GetFormFieldType(form, annotation)
    if kind in {_BUTTON, _SIGNATURE}:
        return ""
    value = _text(lambda *buffer: raw.FPDFAnnot_GetFormFieldValue(form, annotation, *buffer))
    name = _text(lambda *buffer: raw.FPDFAnnot_GetFormFieldAlternateName(form, annotation, *buffer))
    name = name or _text(lambda *buffer: raw.FPDFAnnot_GetFormFieldName(form, annotation, *buffer))
    if kind in {_CHECK, _RADIO}:
        if not raw.FPDFAnnot_IsChecked(form, annotation):
            return ""
        value = value if value not in {"", "On", "Yes", "1"} else "yes"
    return f"{name}: {value}" if value and name else value


def _string(raw: Any, annotation: Any, key: bytes) -> str:
    return _text(lambda *buffer: raw.FPDFAnnot_GetStringValue(annotation, key, *buffer))


def _text(call: Callable[..., int]) -> str:
    """Return the text that a call of PDFium writes into a buffer of UTF-16, in one line."""
    size = int(call(None, 0))
    if size <= 2 or size > 1 << 20:
        return ""
    buffer = (ctypes.c_ushort * (size // 2 + 1))()
    call(buffer, size)
    text = bytes(buffer)[: size - 2].decode("utf-16-le", "replace")
    return " ".join(text.split())
