"""One table: each route, and the roles that may use it. A route that is not in the table is closed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

Role = Literal["viewer", "marketer", "approver", "privacy officer", "operator", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)

Access = frozenset[Role] | Literal["public", "gateway"]
"""Roles, or `public` (no account), or `gateway` (the bearer token of a gateway)."""

ALL: frozenset[Role] = frozenset(ROLES)


def _only(*roles: Role) -> frozenset[Role]:
    return frozenset(roles) | {"admin"}


PAGES: Mapping[str, Access] = {
    "GET /": ALL,
    "GET /gateways/{gateway}": ALL,
    "GET /gateways/{gateway}/settings": _only("operator", "privacy officer"),
    "POST /gateways/{gateway}/settings": _only("operator"),
    "GET /offers/{offer}": ALL,
    "GET /live": ALL,
    "GET /v1/summary": ALL,
    "GET /v1/metrics": ALL,
    "GET /v1/health": "public",
    "GET /v1/openapi.json": ALL,
    "POST /v1/batches": "gateway",
    "GET /login": "public",
    "POST /login": "public",
    "GET /oidc/login": "public",
    "GET /oidc/callback": "public",
    "POST /logout": ALL,
    "GET /welcome/{token}": "public",
    "POST /welcome/{token}": "public",
    "GET /enter/{token}": "public",
    "GET /account": ALL,
    "POST /account/password": ALL,
    "POST /account/token": ALL,
    "GET /people": _only(),
    "POST /people/invite": _only(),
    "POST /people/change": _only(),
    "GET /audit": _only("privacy officer"),
    "GET /map": ALL,
    "GET /map/live": ALL,
    "GET /privacy": ALL,
    "POST /privacy/audit": _only("privacy officer", "operator"),
    "GET /results": ALL,
    "GET /results.csv": ALL,
    "GET /results.json": ALL,
    "GET /results.parquet": ALL,
    "GET /fleet": ALL,
    "GET /fleet.csv": ALL,
    "GET /fleet.json": ALL,
    "GET /fleet.parquet": ALL,
    "POST /fleet/acknowledge": _only("operator"),
    "POST /fleet/group": _only("operator"),
    "GET /campaign": ALL,
    "GET /campaign/calendar": ALL,
    "GET /programme": ALL,
    "POST /programme": _only("marketer"),
    "GET /campaign/edit": _only("marketer"),
    "POST /campaign/save": _only("marketer"),
    "POST /campaign/try": _only("marketer"),
    "GET /campaign/rule": _only("marketer"),
    "GET /campaign/try/{run}": ALL,
    "GET /campaign/versions/{number}": ALL,
    "POST /campaign/sign": _only("approver"),
    "POST /campaign/publish": _only("marketer", "operator"),
    "POST /campaign/stop": _only("marketer", "approver", "operator"),
    "POST /campaign/resume": _only("marketer", "operator"),
    "POST /v1/desired": "gateway",
    "GET /v1/bundles/{sha256}": "gateway",
    "GET /quarantine": _only("operator", "privacy officer"),
    "POST /quarantine/accept": _only("operator"),
    "POST /quarantine/discard": _only("operator"),
    "POST /quarantine/retract": _only("operator"),
}
"""`METHOD /path` -> its access."""


def may(role: Role, method: str, path: str) -> bool:
    """Whether an account of `role` may use a route; public ones are open to every role."""
    access = PAGES.get(f"{method} {path}")
    return access == "public" or (isinstance(access, frozenset) and role in access)
