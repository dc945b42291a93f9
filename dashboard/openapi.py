"""The OpenAPI document of all that programs ask: `/v1/` and the tables as files.

It is written here and not derived from the handlers, because these read bodies themselves, with a limit at every step. A test compares its
addresses with the table of roles.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dashboard.gateways import STATES
from dashboard.sources import SPANS
from dashboard.tables import FORMATS
from gateway.core.desired import Reported, SignedDesired
from gateway.core.records import Batch, Receipt

Json = dict[str, Any]
MEDIA = {"csv": "text/csv", "json": "application/json", "parquet": "application/vnd.apache.parquet"}
RESULT_TABLES = ("offer", "zone", "both", "day", "hour")
REFUSALS: Mapping[int, str] = {
    400: "the body was cut off",
    401: "unknown or missing token",
    403: "the batch or report is of another gateway, or the role of the account may not do this",
    404: "not found",
    408: "the body was too slow",
    409: "an id is stored with other content; nothing was stored",
    411: "a stated length is needed",
    413: "over a limit of size",
    415: "not gzip",
    421: "the desk does not answer under this host name",
    422: "wrong shape or value; the line names the place, never the value",
    429: "too many wrong tokens from this address",
    503: "the database is not available, or too many wait; try again later",
}
_EVERY = (421, 503)
_READER = (401, 403, *_EVERY)
_GATEWAY = (401, 429, *_EVERY)
_ERROR: Json = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}


def document(*, has_campaigns: bool) -> Json:
    """The document; the addresses of orders and bundles are there with campaigns only."""
    _, schemas = msgspec.json.schema_components([Batch, Receipt, Reported, SignedDesired], ref_template="#/components/schemas/{name}")
    paths = _records() | _files() | (_orders() if has_campaigns else {})
    tokens = {name: {"type": "http", "scheme": "bearer", "description": text} for name, text in _TOKENS.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Wayside desk", "version": "1", "description": "Batches and reports of gateways, and figures for programs."},
        "paths": paths,
        "components": {"schemas": schemas | {"Error": _ERROR}, "securitySchemes": tokens},
    }


_TOKENS = {"gateway": "token of a gateway, a line of the token file", "account": "token of an account for programs, of the page /account"}


def _records() -> Json:
    return {
        "/v1/batches": {
            "post": _operation(
                "Store a batch of records, in gzip; repeating it changes nothing.",
                _json("Receipt"),
                (400, 403, 408, 409, 413, 415, 422, *_GATEWAY),
                "gateway",
                body="Batch",
                parameters=[_parameter("Content-Encoding", "header", ("gzip",))],
            )
        },
        "/v1/summary": {
            "get": _operation(
                "Figures of a period; `all` by default.",
                {"application/json": {"schema": {"type": "object"}}},
                (422, *_READER),
                "account",
                parameters=[_parameter("span", "query", SPANS)],
            )
        },
        "/v1/metrics": {"get": _operation("Metrics of the desk for Prometheus.", {"text/plain": {}}, _READER, "account")},
        "/v1/openapi.json": {"get": _operation("This document.", {"application/json": {}}, _READER, "account")},
        "/v1/health": {"get": _operation("Whether the database can be read.", {"application/json": {}}, _EVERY, None)},
    }


def _orders() -> Json:
    sha256 = {"name": "sha256", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[0-9a-f]{64}$"}}
    return {
        "/v1/desired": {
            "post": _operation(
                "Report the state of a gateway; held until there is a newer order, or answered with 204.",
                _json("SignedDesired"),
                (400, 403, 408, 411, 413, 422, *_GATEWAY),
                "gateway",
                body="Reported",
            )
        },
        "/v1/bundles/{sha256}": {
            "get": _operation("A signed bundle.", {"application/octet-stream": {}}, (404, *_GATEWAY), "gateway", parameters=[sha256])
        },
    }


def _files() -> Json:
    paths: Json = {}
    for suffix in FORMATS:
        content: Json = {MEDIA[suffix]: {}}
        results = [_parameter("span", "query", SPANS), _parameter("by", "query", RESULT_TABLES)]
        fleet = [_parameter("q", "query"), _parameter("state", "query", ("", *STATES)), _parameter("group", "query")]
        for path, text, parameters in (("/results", "Results of the campaign.", results), ("/fleet", "Gateways that match.", fleet)):
            paths[f"{path}.{suffix}"] = {"get": _operation(text, content, (422, *_READER), "account", parameters=parameters)}
    return paths


def _operation(
    summary: str, content: Json, refusals: tuple[int, ...], token: str | None, *, body: str = "", parameters: list[Json] | None = None
) -> Json:
    answers: Json = {"200": {"description": "done", "content": content}}
    answers |= {str(status): {"description": REFUSALS[status], "content": _json("Error")} for status in sorted(refusals)}
    if body == "Reported":
        answers["204"] = {"description": "no newer order"}
    found: Json = {"summary": summary, "responses": answers, "security": [{token: []}] if token else []}
    if body:
        found["requestBody"] = {"required": True, "content": _json(body)}
    return found | ({"parameters": parameters} if parameters else {})


def _parameter(name: str, place: str, values: tuple[str, ...] = ()) -> Json:
    return {"name": name, "in": place, "schema": {"type": "string"} | ({"enum": list(values)} if values else {})}


def _json(name: str) -> Json:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
