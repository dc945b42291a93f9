"""Accounts: each role at each route, forged forms, sessions, links, limits, and an audit log that shows a change."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from httpx import Response
from sqlalchemy import delete, update
from starlette.routing import Mount
from starlette.testclient import TestClient
from typer.testing import CliRunner

from dashboard import limits
from dashboard.app import create_app
from dashboard.cli import cli
from dashboard.people import audit as log
from dashboard.people.accounts import Accounts
from dashboard.people.login import own_path
from dashboard.people.roles import PAGES, ROLES, Role
from dashboard.people.throttle import Throttle
from dashboard.schema import audit
from dashboard.settings import Settings
from dashboard.store import Store
from dashboard.studio.publisher import Publisher
from tests.web.conftest import WORLD, ManualClock
from tests.web.people import COOKIE, csrf, sign_in
from tests.web.seed import HOUR_MS

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD = "four random words"


@pytest.fixture
def app(settings: Settings, publisher: Publisher) -> FastAPI:
    made = create_app(settings.model_copy(update={"campaign": (WORLD / "campaign.toml").read_text("utf-8")}), publisher)
    made.state.accounts._hasher = QUICK
    return made


def visitor(app: FastAPI, role: Role | None = None, name: str = "") -> TestClient:
    """A browser, signed in if a role is given."""
    cookies = {COOKIE: sign_in(app, role, name)} if role else {}
    return TestClient(app, base_url="http://localhost", follow_redirects=False, cookies=cookies)


def send(client: TestClient, path: str, **form: str) -> Response:
    """Send a form as the signed-in account of `client`, as its page has rendered it."""
    token = str(client.cookies.get(COOKIE))
    answer: Response = client.post(path, data={"csrf": csrf(client.app, token), **form})  # type: ignore[arg-type]
    return answer


def routes(app: FastAPI) -> list[tuple[str, str]]:
    known: list[Any] = []
    for route in app.routes:
        known += route.effective_route_contexts() if hasattr(route, "effective_route_contexts") else [route]
    found = [(method, route.path) for route in known if not isinstance(route, Mount) for method in sorted(route.methods)]
    assert len(found) > 20, "hardly any route was found: does the walk still see them?"
    return found


def test_every_route_has_a_row_in_the_table_and_every_row_a_route(app: FastAPI) -> None:
    assert sorted(f"{method} {path}" for method, path in routes(app)) == sorted(PAGES)


@pytest.mark.parametrize("role", [None, *ROLES])
def test_each_role_may_use_exactly_its_routes(role: Role | None, app: FastAPI) -> None:
    app.state.notifier.close()  # a stream would not end
    app.state.orders.close()
    for method, path in routes(app):
        client = visitor(app, role)
        address = re.sub(r"\{\w+\}", "none", path)
        answer = client.get(address) if method == "GET" else send(client, address) if role else client.post(address, data={})
        access = PAGES[f"{method} {path}"]
        is_login = answer.status_code == 401 or answer.headers.get("location", "").startswith("/login?")
        if access == "gateway":
            assert answer.status_code == 401
        elif access == "public":
            assert answer.status_code in {200, 303, 401, 404, 422}, path
            assert "may not do this" not in answer.text
        elif role is None:
            assert is_login, path
        elif role in access:
            assert answer.status_code != 403, path
            assert not is_login, path
        else:
            assert (answer.status_code, "may not do this" in answer.text) == (403, True), path


def test_without_an_account_no_name_of_a_gateway_or_offer_is_shown(app: FastAPI) -> None:
    client = visitor(app)
    for path in ("/", "/gateways/gw-a", "/nope", "/login", "/v1/summary", "/v1/nope", "/static/nope", "/v1/openapi.json", "/live"):
        answer = client.get(path)
        assert answer.status_code in {303, 401, 404, 200}
        assert "gw-b" not in answer.text


@pytest.mark.parametrize("forged", [{}, {"csrf": "0" * 64}, {"csrf": "other"}])
def test_a_form_that_another_site_sends_is_refused(forged: dict[str, str], app: FastAPI) -> None:
    client = visitor(app, "admin")
    form = dict(forged)
    if form.get("csrf") == "other":
        form["csrf"] = csrf(app, sign_in(app, "admin", "other-admin"))  # of another session
    assert client.post("/people/invite", data={"name": "eve", "role": "admin", **form}).status_code == 403
    own = {"csrf": csrf(app, str(client.cookies.get(COOKIE))), "name": "eve", "role": "admin"}
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        assert client.post("/people/invite", data=own, headers=headers).status_code == 403
    assert client.post("/people/invite", data=own, headers={"Origin": "http://localhost"}).status_code == 200


def test_the_host_of_another_name_gets_nothing(app: FastAPI) -> None:
    client = visitor(app, "admin")
    for path in ("/", "/v1/summary", "/v1/health", "/static/style.css", "/login"):
        assert client.get(path, headers={"Host": "evil.example"}).status_code == 421
        assert client.get(path, headers={"Host": "localhost:8080"}).status_code == 200
    public = create_app(Settings(database_url="sqlite://", tokens={"gw-a": "t" * 16}, public_url="https://desk.example"))
    answer = TestClient(public, base_url="https://desk.example").get("/login")
    assert answer.status_code == 200


def test_a_login_makes_a_new_session_and_a_logout_ends_it(app: FastAPI) -> None:
    accounts: Accounts = app.state.accounts
    accounts.make("ines", "viewer", PASSWORD)
    client = visitor(app)
    client.cookies.set(COOKIE, "a-token-that-an-attacker-chose")
    form = {"name": "ines", "password": PASSWORD, "next": "/?span=week"}
    answer = client.post("/login", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/?span=week")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "a-token-that" not in cookie
    token = cookie.split("=", 1)[1].split(";")[0]
    client = TestClient(app, base_url="http://localhost", cookies={COOKIE: token})
    assert client.get("/").status_code == 200
    send(client, "/logout")
    assert accounts.caller(token, "browser") is None


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "", "/\n/x"])
def test_a_login_leads_to_no_other_site(target: str) -> None:
    assert own_path(target) == "/"


def test_wrong_passwords_are_alike_and_become_slow(app: FastAPI, clock: ManualClock) -> None:
    app.state.accounts.make("ines", "viewer", PASSWORD)
    client = visitor(app)
    wrong = [client.post("/login", data={"name": name, "password": "wrong one"}) for name in ("ines", "nobody")]
    assert [answer.status_code for answer in wrong] == [401, 401]
    assert wrong[0].text.replace("ines", "") == wrong[1].text.replace("nobody", "")
    for _ in range(limits.LOGINS_BY_ACCOUNT_MAX):
        client.post("/login", data={"name": "ines", "password": "wrong one"})
    answer = client.post("/login", data={"name": "ines", "password": "wrong one"})
    assert answer.status_code == 429
    assert "Try again in 10 minutes" in answer.text
    assert client.post("/login", data={"name": "ines", "password": PASSWORD}).status_code == 429
    clock.advance(limits.LOGIN_S * 1000)
    assert client.post("/login", data={"name": "ines", "password": PASSWORD}).status_code == 303


def test_wrong_bearer_tokens_become_429_and_a_right_one_stays_good(app: FastAPI) -> None:
    client = visitor(app)
    found = [
        client.post("/v1/batches", headers={"Authorization": "Bearer wrong"}).status_code for _ in range(limits.TOKENS_BY_ADDRESS_MAX + 1)
    ]
    assert (set(found[:-1]), found[-1]) == ({401}, 429)
    right = {"Authorization": "Bearer token-of-gateway-a-0001", "Content-Encoding": "gzip"}
    assert client.post("/v1/batches", content=b"", headers=right).status_code == 422


def test_a_throttle_forgets_the_oldest_keys(clock: ManualClock) -> None:
    throttle = Throttle(1, 60, clock)
    for number in range(limits.THROTTLED_KEYS_MAX + 1):
        throttle.failed(str(number))
    assert [throttle.wait_s(key) for key in ("0", "1", "new")] == [0, 60, 0]


def test_a_form_of_an_ended_session_is_kept_and_sent_again(app: FastAPI, clock: ManualClock) -> None:
    app.state.accounts.make("ines", "admin", PASSWORD)
    client = visitor(app, "admin", "ines")
    clock.advance(limits.SESSION_IDLE_MS_MAX + 1)
    answer = client.post("/people/invite", data={"csrf": "old", "name": "ben", "role": "marketer"})
    assert answer.status_code == 401
    assert "nothing of it is lost" in answer.text
    inputs = dict(re.findall(r'name="(kept\.\w+|next)" value="([^"]*)"', answer.text))
    assert inputs == {"next": "/people/invite", "kept.name": "ben", "kept.role": "marketer"}
    page = client.post("/login", data={"name": "ines", "password": PASSWORD, **inputs})
    assert page.status_code == 200
    fields = dict(re.findall(r'name="(name|role|csrf)" value="([^"]*)"', page.text))
    done = client.post("/people/invite", data=fields)
    assert done.status_code == 200
    assert "/welcome/" in done.text


def test_sessions_end_by_idleness_by_age_by_a_new_password_and_by_closing(app: FastAPI, clock: ManualClock) -> None:
    accounts: Accounts = app.state.accounts
    accounts.make("ines", "admin", PASSWORD)
    accounts.make("ben", "admin", PASSWORD)
    token = accounts.login("ines", PASSWORD)
    assert token is not None
    for _ in range(6):
        clock.advance(limits.SESSION_IDLE_MS_MAX - HOUR_MS // 2)
        assert accounts.caller(token, "browser") is not None
    clock.advance(limits.SESSION_MS_MAX)
    assert accounts.caller(token, "browser") is None
    old, reader = accounts.login("ines", PASSWORD), accounts.program_token("ines")
    new = accounts.change_password("ines", PASSWORD, "another phrase of mine")
    assert old is not None
    assert [accounts.caller(one, "browser") is None for one in (old, new)] == [True, False]
    assert accounts.caller(reader, "program") is not None
    accounts.change("ines", "admin", disabled=True, by="ben")
    assert (accounts.caller(new, "browser"), accounts.caller(reader, "program"), accounts.login("ines", PASSWORD)) == (None, None, None)


def test_a_link_works_once_and_for_its_name(app: FastAPI, clock: ManualClock) -> None:
    accounts: Accounts = app.state.accounts
    path = f"/welcome/{accounts.invite('', 'admin', '')}"
    client = visitor(app)
    form = {"name": "Ines!", "password": PASSWORD, "again": PASSWORD}
    for change, line in (
        ({}, "small letters"),
        ({"name": "ines", "again": "x"}, "The two passwords differ"),
        ({"name": "ines", "password": "short", "again": "short"}, "10 to 256"),
        ({"name": "ines", "password": "aaaaaaaaaaaa", "again": "aaaaaaaaaaaa"}, "too easy"),
    ):
        answer = client.post(path, data={**form, **change})
        assert (answer.status_code, line in answer.text) == (422, True), line
        assert f'value="{change.get("name", "Ines!")}"' in answer.text  # nothing typed is lost, but passwords
    assert client.post(path, data={**form, "name": "ines"}).status_code == 303
    assert client.get(path).status_code == 404
    named = accounts.invite("ben", "viewer", "ines")
    assert client.post(f"/welcome/{named}", data={**form, "name": "ines"}).status_code == 422
    clock.advance(limits.LINK_MS_MAX + 1)
    assert client.get(f"/welcome/{named}").status_code == 404


def test_the_last_admin_stays(app: FastAPI) -> None:
    client = visitor(app, "admin")
    answer = send(client, "/people/change", name="admin", role="viewer")
    assert (answer.status_code, "last admin" in answer.text) == (422, True)
    sign_in(app, "viewer")
    assert send(client, "/people/change", name="viewer", role="operator").status_code == 303


def test_program_tokens_only_read(app: FastAPI) -> None:
    sign_in(app, "admin")
    headers = {"Authorization": f"Bearer {app.state.accounts.program_token('admin')}"}
    client = visitor(app)
    assert client.get("/v1/summary", headers=headers).status_code == 200
    assert client.get("/", headers=headers).status_code == 303
    assert client.post("/people/invite", data={"name": "eve"}, headers=headers).status_code == 401


@pytest.mark.parametrize(("body", "status"), [(b"x" * (limits.FORM_BYTES_MAX + 1), 413), (b"a=1&" * (limits.FORM_FIELDS_MAX + 1), 400)])
def test_forms_are_bounded(body: bytes, status: int, app: FastAPI) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert visitor(app).post("/login", content=body, headers=headers).status_code == status
    assert visitor(app).post("/login", content=iter([b"name=x"]), headers=headers).status_code == 411


def filled(store: Store, key: bytes) -> None:
    with store.writing() as connection:
        for number in range(5):
            log.append(connection, key, number, "ines", "login", f"from {number}")


def test_the_audit_log_shows_a_changed_a_removed_and_a_cut_entry() -> None:
    key = b"k" * 32
    for harm, fault in (
        (update(audit).where(audit.c.number == 3).values(detail="from 9"), "entry 3 was changed"),
        (update(audit).where(audit.c.number == 3).values(account="ben"), "entry 3 was changed"),
        (delete(audit).where(audit.c.number == 2), "entry 2 is missing"),
        (delete(audit).where(audit.c.number == 5), "entries after 4 were removed: 5 were noted"),
    ):
        store = Store("sqlite://")
        filled(store, key)
        with store.writing() as connection:
            good = log.verify(connection, key)
            connection.execute(harm)
            found = log.verify(connection, key, (5, good.head))
        assert (good.entries, good.fault) == (5, "")
        assert found.fault.startswith(fault)
        store.close()


def test_an_entry_written_without_the_key_shows() -> None:
    store = Store("sqlite://")
    filled(store, b"k" * 32)
    with store.writing() as connection:
        log.append(connection, b"x" * 32, 9, "eve", "login", "")
        assert "entry 6 was changed, or is of another key" in log.verify(connection, b"k" * 32).fault
    store.close()


def test_the_command_verifies_the_log_and_files_are_private(tmp_path: Path) -> None:
    path = tmp_path / "desk.db"
    Store(f"sqlite:///{path}").close()
    runner = CliRunner()
    assert runner.invoke(cli, ["account", "link", "ines", "--role", "marketer", "--store", str(path)]).stdout.startswith("/welcome/")
    assert runner.invoke(cli, ["account", "link", "ines", "--role", "boss", "--store", str(path)]).exit_code == 2
    done = runner.invoke(cli, ["audit", "verify", "--store", str(path)])
    assert (done.exit_code, done.stdout[:2]) == (0, "1:")
    noted = done.stdout.strip()
    assert runner.invoke(cli, ["audit", "verify", "--store", str(path), "--expect", noted]).exit_code == 0
    with sqlite3.connect(path) as other:
        other.execute("UPDATE audit SET detail = 'ines: admin'")
    other.close()
    done = runner.invoke(cli, ["audit", "verify", "--store", str(path)])
    assert (done.exit_code, "entry 1 was changed" in done.stderr) == (1, True)
    modes = {file.name: oct(file.stat().st_mode & 0o777) for file in tmp_path.iterdir()}
    assert set(modes.values()) == {"0o600"}, modes
    assert "desk.db.audit-key" in modes
