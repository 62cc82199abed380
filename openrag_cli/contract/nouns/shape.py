"""What a shape is: named fields, each with its JSON Schema and where its value comes from; and the schemas of values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]
Schema = dict[str, Any]
Value = TypeVar("Value")

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
ANY: Schema = {}
ANY_OBJECT: Schema = {"type": "object"}
TIME: Schema = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}


def maybe(schema: Schema) -> Schema:
    """Return the schema of a value that may be null."""
    return {"anyOf": [schema, {"type": "null"}]}


def list_of(schema: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": schema}


def object_of(**properties: Schema) -> Schema:
    """Return the schema of an object that has all of these keys, and may have more."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def sometimes(schema: Schema, **properties: Schema) -> Schema:
    """Return an object's schema with keys that are not always there."""
    return {**schema, "properties": {**schema["properties"], **properties}}


def also(schema: Schema, **properties: Schema) -> Schema:
    """Return an object's schema with more keys that are always there."""
    required = [*schema["required"], *properties]
    return {**schema, "properties": {**schema["properties"], **properties}, "required": required}


def without_nulls(schema: Schema) -> Schema:
    """Return the schema of values from which every null is left out, wherever it stands."""
    if "anyOf" in schema:
        return without_nulls(schema["anyOf"][0])
    if "items" in schema:
        return {**schema, "items": without_nulls(schema["items"])}
    if "properties" not in schema:
        return schema
    properties = {name: without_nulls(entry) for name, entry in schema["properties"].items()}
    required = [name for name in schema["required"] if "anyOf" not in schema["properties"][name]]
    return {**schema, "properties": properties, "required": required}


@dataclass(frozen=True, slots=True)
class Field(Generic[Value]):
    """One key of a shape."""

    name: str
    schema: Schema
    get: Callable[[Value], Any]


class Shape(Generic[Value]):
    """The keys of one kind of value, in order: from them come its JSON and its schema."""

    def __init__(self, *fields: Field[Value]) -> None:
        self.fields = fields

    def as_json(self, value: Value) -> Json:
        """Return a value as JSON."""
        return {field.name: field.get(value) for field in self.fields}

    @property
    def schema(self) -> Schema:
        """The JSON Schema of what `as_json` returns."""
        return object_of(**{field.name: field.schema for field in self.fields})

    def only(self, *names: str) -> Shape[Value]:
        """Return the shape of these keys alone."""
        return Shape(*(field for field in self.fields if field.name in names))

    def also(self, *fields: Field[Value]) -> Shape[Value]:
        """Return the shape with these keys, in the place of those of the same names."""
        names = {field.name for field in fields}
        return Shape(*(field for field in self.fields if field.name not in names), *fields)
