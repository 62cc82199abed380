"""Who asks, and what that one may do: made by the guard of a server, asked by the engine. On this machine it is `ADMIN`.

There is one besides nobody for now, whom `AUTH_TOKEN` names. More tokens are more principals; what asks stays as it is.
"""

import enum
import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from openrag_cli.errors import Forbidden

Kind = TypeVar("Kind")


class Right(enum.StrEnum):
    """What may be done."""

    READ = "read"
    WRITE = "write"
    MANAGE = "manage"  # what concerns the whole store


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who asks. `name` is what sessions belong to; `partitions` are those that may be used (None: every one)."""

    name: str
    rights: frozenset[Right]
    partitions: frozenset[str] | None = None

    def sees(self, partition: str) -> bool:
        """Whether a partition may be used."""
        return self.partitions is None or partition in self.partitions

    def require(self, right: Right, partitions: Iterable[str] = ()) -> None:
        """Refuse what this one may not do. Raises: Forbidden."""
        if right not in self.rights:
            raise Forbidden(f"you may not {right} here", hint="ask who runs the server for another token")
        for partition in partitions:
            if not self.sees(partition):
                raise Forbidden(
                    f"partition '{partition}' is not yours to {right}",
                    hint="name one that is, with -p or in the path",
                )


ADMIN = Principal("admin", frozenset(Right))
NOBODY = Principal("", frozenset())

Where = Callable[..., Iterable[str]]
"""Takes the engine and a call's arguments; returns the partitions that the call is about, or `all`."""


def asking(needs: Mapping[str, tuple[Right, Where]], free: frozenset[str]) -> Callable[[type[Kind]], type[Kind]]:
    """Return a class decorator: each named method or property first asks the object's `principal`, but for the free."""

    def decorate(kind: type[Kind]) -> type[Kind]:
        """Return the class, guarded."""
        unsaid = {name for name in vars(kind) if not name.startswith("_")} - needs.keys() - free
        assert not unsaid, f"what do they need? {unsaid}"
        for name, (right, where) in needs.items():
            found = vars(kind)[name]
            if isinstance(found, property):
                assert found.fget is not None
                setattr(kind, name, property(_asked(found.fget, right, where), doc=found.__doc__))
            else:
                setattr(kind, name, _asked(found, right, where))
        return kind

    return decorate


def _asked(method: Callable[..., Any], right: Right, where: Where) -> Callable[..., Any]:
    @functools.wraps(method)
    def ask(owner: Any, *arguments: Any, **options: Any) -> Any:
        """Ask for the right, then do it."""
        principal: Principal = owner.principal
        is_bound = principal.partitions is not None  # else nothing need be looked up
        principal.require(right, where(owner, *arguments, **options) if is_bound else ())
        return method(owner, *arguments, **options)

    return ask
