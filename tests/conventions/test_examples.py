"""Every body of the API that is JSON has an example to send, and each example is what it would be read as."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import TypeAdapter

from viewer.app import create_app
from viewer.settings import ViewerSettings

JSON = "application/json"


def list_bodies() -> Iterator[tuple[str, TypeAdapter[Any], list[list[Any]]]]:
    """Every operation with a body in JSON: what reads it, and the examples of each form that it may have."""
    app = create_app(ViewerSettings(database_url="postgresql+psycopg://samsyn_app@/samsyn", redis_url="redis://none"))
    description = app.openapi()
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIRoute):
            for method in route.methods or ():
                operation = description["paths"].get(route.path_format, {}).get(method.lower(), {})
                content = operation.get("requestBody", {}).get("content", {})
                if JSON in content:
                    assert route.body_field
                    reader: TypeAdapter[Any] = TypeAdapter(route.body_field.field_info.annotation)
                    examples = [form.get("examples", []) for form in list_forms(content[JSON]["schema"], description)]
                    yield f"{method} {route.path_format}", reader, examples


def list_forms(schema: dict[str, Any], description: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schema itself, or those that it is one of."""
    if reference := schema.get("$ref"):
        schema = description["components"]["schemas"][reference.removeprefix("#/components/schemas/")]
    choices = schema.get("anyOf", schema.get("oneOf"))
    if choices is None:
        yield schema
    for choice in choices or ():
        yield from list_forms(choice, description)


def test_every_body_has_an_example_that_is_read_as_it_is_written() -> None:
    bodies = list(list_bodies())
    assert len(bodies) > 90
    assert [operation for operation, _, forms in bodies if not all(forms)] == [], "give the model example(...)"
    for operation, reader, forms in bodies:
        for example in chain.from_iterable(forms):
            read = reader.validate_python(example)
            # a name that the model does not know would be missing
            assert reader.dump_python(read, mode="json", exclude_unset=True) == example, operation
