"""Options that belong together, as one dataclass that several commands take."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, get_type_hints

import typer


def grouped(command: Callable[..., int]) -> Callable[..., int]:
    """Return a command for Typer: of each parameter that is a dataclass, the fields are options of their own."""
    hints = get_type_hints(command, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if isinstance(hint, type) and is_dataclass(hint)}
    parameters = []
    for name, parameter in inspect.signature(command).parameters.items():
        parameters += _of_group(groups[name]) if name in groups else [parameter]

    @functools.wraps(command)
    def run(**values: Any) -> int:
        """Run the command with its options in their groups."""
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        return command(**values)

    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters], return_annotation=int
    )
    run.__annotations__ = {one.name: one.annotation for one in parameters} | {"return": int}
    return run


def _of_group(group: type) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    kind = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter(field.name, kind, default=_default(field), annotation=hints[field.name])
        for field in fields(group)
    ]


def _default(field: Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return field.default


def is_given(ctx: typer.Context, name: str) -> bool:
    """Whether an option has its value from the command line or from a variable."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"
