"""Accounts of tests: signed in without a password, because hashing one takes a tenth of a second."""

from __future__ import annotations

from fastapi import FastAPI
from sqlalchemy import insert, select
from starlette.testclient import TestClient

from dashboard.people.accounts import Accounts
from dashboard.people.roles import Role
from dashboard.schema import accounts

COOKIE = "wayside"


def sign_in(app: FastAPI, role: Role = "admin", name: str = "") -> str:
    """The token of a new session of an account of this role, which is made if it does not exist."""
    known: Accounts = app.state.accounts
    name = name or role.replace(" ", "-")
    with known._store.writing() as connection:
        if connection.execute(select(accounts.c.name).where(accounts.c.name == name)).first() is None:
            row = {"name": name, "role": role, "password": "none", "made_ms": 0, "disabled": False}
            connection.execute(insert(accounts), [row])
    return known.enter(name)


def csrf(app: FastAPI, token: str) -> str:
    """The token that the forms of a session carry."""
    caller = app.state.accounts.caller(token, "browser")
    return str(caller.csrf)


def sign_in_again(client: TestClient) -> None:
    """A new session of the admin, after the clock was moved beyond the end of the last one."""
    client.cookies = {COOKIE: sign_in(client.app)}  # type: ignore[arg-type]
