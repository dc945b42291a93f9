"""PostgreSQL as the store: the same records and pages as with SQLite, two desks at once, and a database that is away."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import func, select
from starlette.testclient import TestClient

from dashboard import schema
from dashboard.app import create_app
from dashboard.database import StoreError, database_url
from dashboard.settings import Settings, SettingsError, sqlite_url, store_place
from dashboard.store import Store
from dashboard.studio.publisher import Publisher
from tests.web.conftest import WORLD, ManualClock
from tests.web.people import COOKIE, csrf, sign_in
from tests.web.postgres import Postgres
from tests.web.seed import TOKENS, Json, batch, bearer, hours, packed, street_batches
from tests.web.server import LiveServer

Desk = Callable[..., TestClient]
TEXT = (WORLD / "campaign.toml").read_text("utf-8")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Postgres]:
    with Postgres() as running:
        yield running


@pytest.fixture
def shared(cluster: Postgres, clock: ManualClock) -> Settings:
    return Settings(database_url=cluster.url(), tokens=TOKENS, now_ms=clock, refresh_s=60.0, gap_s=0.0, audit_key=b"k" * 32)


def send(client: TestClient, body: Json) -> int:
    answer = client.post("/v1/batches", content=packed(body), headers=bearer(body["gateway"]))
    return int(answer.status_code)


@pytest.fixture
def desk() -> Iterator[Desk]:
    """Makes signed-in clients of desks, whose connections are closed at the end."""
    stores: list[Store] = []

    def make(settings: Settings, publisher: Publisher | None = None) -> TestClient:
        app = create_app(settings, publisher)
        stores.append(app.state.accounts._store)
        return TestClient(app, base_url="http://localhost", cookies={COOKIE: sign_in(app)}, follow_redirects=False)

    yield make
    for store in stores:
        store.close()


def test_pages_and_figures_are_those_of_sqlite(desk: Desk, shared: Settings, settings: Settings, publisher: Publisher) -> None:
    answers = []
    for each in (shared, settings):
        client = desk(each.model_copy(update={"campaign": TEXT, "audit_key": b"k" * 32}), publisher)
        for body in [*street_batches(), *street_batches()]:  # the second time changes nothing
            assert send(client, body) == 200
        assert send(client, batch("odd", [hours("odd", {"harbour": 4}, window=5)])) == 200
        form = {"csrf": csrf(client.app, client.cookies[COOKIE]), "base": "1", "policy.gap": "30 s"}  # type: ignore[arg-type]
        assert client.post("/campaign/save", data=form).status_code == 303
        pages = [
            "/",
            "/?span=all",
            "/gateways/gw-a",
            "/offers/espresso",
            "/results",
            "/results?by=hour",
            "/campaign",
            "/fleet",
            "/quarantine",
        ]
        texts = {path: client.get(path) for path in [*pages, "/audit", "/v1/summary", "/v1/metrics", "/results.csv?by=both", "/fleet.csv"]}
        assert {path for path, answer in texts.items() if answer.status_code != 200} == set()
        token = form["csrf"]
        answers.append({path: answer.text.replace(token, "") for path, answer in texts.items()})
    assert answers[0] == answers[1]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_migrations_make_the_tables_of_the_program(kind: str, shared: Settings, tmp_path: Path) -> None:
    store = Store(shared.database_url if kind == "postgresql" else sqlite_url(tmp_path / "new.db"))
    with store.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    with store.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    store.close()
    with pytest.raises(StoreError, match="migration 9999"):
        Store(shared.database_url if kind == "postgresql" else sqlite_url(tmp_path / "new.db"))


def test_the_same_batch_at_two_desks_at_once_is_stored_once(desk: Desk, shared: Settings) -> None:
    clients = [desk(shared), desk(shared)]
    bodies = [batch(f"b{number}", [hours(f"r{number}", window=number % 5 - 40 * number)]) for number in range(12)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda work: send(*work), [(client, body) for body in bodies for client in clients]))
    assert done == [200] * 24
    store: Store = clients[0].app.state.accounts._store  # type: ignore[attr-defined]
    with store.reading() as connection:
        assert connection.execute(select(func.count()).select_from(schema.records)).scalar_one() == 12
        assert connection.execute(select(func.count()).select_from(schema.hours)).scalar_one() == 12


def test_news_of_one_desk_reach_the_pages_of_the_other(shared: Settings, publisher: Publisher) -> None:
    settings = shared.model_copy(update={"campaign": TEXT})
    with (
        LiveServer(settings, publisher) as one,
        LiveServer(settings, publisher) as other,
        httpx.stream("GET", f"{other.address}/live", cookies=other.cookies, timeout=20) as stream,
    ):
        lines = stream.iter_lines()
        _next(lines, lambda line: "No data yet" in line)
        body = packed(batch("b1", [hours("r1", {"plaza": 4_321})]))
        assert httpx.post(f"{one.address}/v1/batches", content=body, headers=bearer()).status_code == 200
        assert "4,321" in _next(lines, lambda line: "4,321" in line)


def _next(lines: Iterator[str], is_it: Callable[[str], bool]) -> str:
    return next(line for line in lines if is_it(line))


def test_a_save_without_the_database_loses_nothing_typed(desk: Desk, shared: Settings, publisher: Publisher, cluster: Postgres) -> None:
    client = desk(shared.model_copy(update={"campaign": TEXT}), publisher)
    form = {"csrf": csrf(client.app, client.cookies[COOKIE]), "base": "1", "offer.flat-white.title": "Half a price"}  # type: ignore[arg-type]
    cluster.stop()
    try:
        answer = client.post("/campaign/save", data=form)
        assert send(client, batch("b1", [hours("r1")])) == 503
    finally:
        cluster.start()
    assert answer.status_code == 503
    assert "The database cannot be reached" in answer.text
    assert 'name="offer.flat-white.title" value="Half a price"' in answer.text
    assert client.post("/campaign/save", data=form).status_code == 303
    assert "Half a price" in client.get("/campaign/versions/2").text


def test_addresses_of_stores(tmp_path: Path) -> None:
    key = tmp_path / "key"
    place = store_place("postgresql://desk:secret@db.example/wayside", key)
    assert (place.shown, place.audit_key) == ("postgresql://desk:***@db.example/wayside", key)
    assert database_url(place.url).drivername == "postgresql+psycopg"
    assert store_place("street.db").audit_key == Path("street.db.audit-key")
    for wrong, line in (("mysql://x", "name a SQLite file"), ("postgresql://x/y", "--audit-key is needed")):
        with pytest.raises(SettingsError, match=line):
            store_place(wrong)
