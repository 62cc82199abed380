"""The page at /docs: what `/openapi.json` says, as HTML that loads nothing from anywhere."""

from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse

router = APIRouter()

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}"
    "code{font-size:.95em}summary{cursor:pointer}td{padding:0 1.5rem 0 0;vertical-align:top}pre{overflow:auto}"
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@router.get("/", include_in_schema=False)
def home(request: Request) -> RedirectResponse:
    """Lead from the address that `serve` prints to the page that tells what is here."""
    return RedirectResponse(f"{request.scope.get('root_path', '')}/docs")


@router.get("/docs", include_in_schema=False)
def docs(request: Request) -> HTMLResponse:
    """Show every route: what it is for, what it takes, and what it answers."""
    document: dict[str, Any] = request.app.openapi()
    title = escape(f"{document['info']['title']} {document['info']['version']}")
    schema = escape(f"{request.scope.get('root_path', '')}/openapi.json")
    body = "".join(
        _operation(method, path, operation, document)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    page = (
        f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f'<h1>{title}</h1><p>For programs: <a href="{schema}">{schema}</a></p>{body}</html>'
    )
    return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY})


def _operation(method: str, path: str, operation: dict[str, Any], document: dict[str, Any]) -> str:
    told = escape(operation.get("description") or operation.get("summary") or "")
    first, _, rest = told.partition("\n\n")
    rows = "".join([*_parameters(operation), *_fields(operation, document), *_answers(operation)])
    more = f"<p>{rest}</p>" if rest else ""
    return (
        f"<details><summary><code><b>{method.upper()}</b> {escape(path)}</code> {first}</summary>"
        f"{more}<table>{rows}</table></details>"
    )


def _parameters(operation: dict[str, Any]) -> Iterator[str]:
    for one in operation.get("parameters", ()):
        yield _row(
            one["name"], one["in"], one.get("schema", {}), one.get("description", ""), is_needed=one.get("required")
        )


def _fields(operation: dict[str, Any], document: dict[str, Any]) -> Iterator[str]:
    for media_type, body in operation.get("requestBody", {}).get("content", {}).items():
        schema = body.get("schema", {})
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        schema = document.get("components", {}).get("schemas", {}).get(name, schema)
        for field, of in schema.get("properties", {}).items():
            needed = field in schema.get("required", ())
            yield _row(field, media_type, of, of.get("description", ""), is_needed=needed)


def _answers(operation: dict[str, Any]) -> Iterator[str]:
    for status, answer in operation.get("responses", {}).items():
        yield f"<tr><td>{escape(status)}</td><td>answer</td><td></td><td>{escape(answer.get('description', ''))}</td></tr>"


def _row(name: str, place: str, schema: dict[str, Any], told: str, *, is_needed: bool | None) -> str:
    kinds = [str(one.get("type", "")) for one in (schema, *schema.get("anyOf", ()))]
    kind = " or ".join(filter(None, kinds))
    default = "required" if is_needed else f"default {schema['default']!r}" if "default" in schema else ""
    cells = (name, place, ", ".join(filter(None, (kind, default))), told)
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
