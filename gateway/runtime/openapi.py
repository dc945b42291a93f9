"""The OpenAPI 3.1 document of the HTTP interface, made from its routes and from the types of their bodies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import msgspec

from gateway.core.http import JSON, PROBLEM_JSON, TITLES


class Described(Protocol):
    """The part of a route that the document states; see `gateway.runtime.api.Route`."""

    @property
    def method(self) -> str:
        """GET or POST."""

    @property
    def path(self) -> str:
        """Without host and query."""

    @property
    def kinds(self) -> frozenset[Any]:
        """Empty for a resource without a token."""

    @property
    def answer(self) -> Any:
        """A function with the summary as its docstring."""

    @property
    def body(self) -> type[msgspec.Struct] | None:
        """The type of the body, or None without one."""

    @property
    def is_keyed(self) -> bool:
        """Whether a request needs an Idempotency-Key."""

    @property
    def media(self) -> tuple[str, ...]:
        """Media types of the body; empty without one."""

    @property
    def statuses(self) -> tuple[int, ...]:
        """All status codes of the resource itself."""


def document(routes: Iterable[Described]) -> dict[str, Any]:
    """The document as JSON values."""
    known = list(routes)
    bodies = [route.body for route in known if route.body is not None]
    _, schemas = msgspec.json.schema_components(bodies, ref_template="#/components/schemas/{name}")
    schemas["Problem"] = {
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
        },
    }
    paths: dict[str, dict[str, Any]] = {}
    for route in known:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Wayside gateway", "version": "1"},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _operation(route: Described) -> dict[str, Any]:
    summary = str(route.answer.__doc__).strip().splitlines()[0]
    operation: dict[str, Any] = {
        "operationId": route.answer.__name__,
        "summary": summary,
        "responses": {str(status): _response(status) for status in route.statuses},
    }
    if route.kinds:
        operation["security"] = [{"token": []}]
    if route.is_keyed:
        key = {"name": "Idempotency-Key", "in": "header", "required": True, "schema": {"type": "string", "maxLength": 128}}
        operation["parameters"] = [key]
    if route.media:
        schema = {"$ref": f"#/components/schemas/{route.body.__name__}"} if route.body else {"type": ["object", "array"]}
        operation["requestBody"] = {"required": True, "content": {media: {"schema": schema} for media in route.media}}
    return operation


def _response(status: int) -> dict[str, Any]:
    if status < 400:
        return {"description": "OK", "content": {JSON: {"schema": {"type": "object"}}}}
    return {"description": TITLES[status], "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
