"""Named views: what is searched under one name, as `openrag view` has them."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel

from openrag_cli.access.principal import Right
from openrag_cli.contract import to_json as render
from openrag_cli.contract.schemas import VIEW
from openrag_cli.domain import ALL_PARTITIONS
from openrag_cli.server.guards.bodies import JsonRoute
from openrag_cli.server.routes.indexer import errors
from openrag_cli.server.schemas import Noun
from openrag_cli.server.urls import engine_of

router = APIRouter(prefix="/views", tags=["views"], route_class=JsonRoute)

ViewPath = Annotated[str, Path(description="Name of the view")]
_BODY = errors(
    s400="The name or the filter is wrong",
    s404="No such partition",
    s409="A view or a partition has the name",
    s413="The body is too large",
    s415="The body is not JSON",
    s408="It came too slowly",
)


class ViewBody(BaseModel):
    """A view to be made: files of `partitions` (none: every one) that `filter` lets through."""

    view: str
    partitions: list[str] = []
    filter: str = ""


class ViewEntry(Noun, shape=VIEW):
    """A view; `model` is its name as a model of `/v1`."""


class ViewList(BaseModel):
    """The views, by name."""

    views: list[ViewEntry]


@router.get("")
def list_views(request: Request) -> ViewList:
    """List the views."""
    return ViewList(views=[ViewEntry(**render.view(found)) for found in engine_of(request).views.all()])


@router.post("", status_code=201, responses=_BODY)
def create_view(request: Request, body: ViewBody) -> ViewEntry:
    """Make a view; no partition and no other view may have its name."""
    engine = engine_of(request)
    engine.principal.require(Right.WRITE, body.partitions or [ALL_PARTITIONS])
    return ViewEntry(**render.view(engine.views.create(body.view, body.partitions, body.filter)))


@router.get("/{name:path}", responses=errors(s404="No such view"))
def show_view(request: Request, name: ViewPath) -> ViewEntry:
    """Return one view."""
    return ViewEntry(**render.view(engine_of(request).views.get(name)))


@router.delete("/{name:path}", status_code=204, responses=errors(s404="No such view"))
def delete_view(request: Request, name: ViewPath) -> Response:
    """Delete a view; the files that it shows stay."""
    engine = engine_of(request)
    engine.principal.require(Right.WRITE, engine.views.get(name).partitions or [ALL_PARTITIONS])
    engine.views.delete(name)
    return Response(status_code=204)
