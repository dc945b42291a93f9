"""Load of the desk: batches a second, two desks of which one is killed, and the front page over many records.

    python -m tests.web.load batches sqlite|postgresql [--seconds 10]
    python -m tests.web.load killed [--batches 2000]
    python -m tests.web.load page sqlite|postgresql [--records 1000000]

A batch is that of an hour: a health record and the counts of two zones; every 24th also has the outcomes of three offers. Records for
the page are inserted as rows, as the collector would store them.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import httpx
import typer
from sqlalchemy import select
from starlette.testclient import TestClient

from dashboard import schema
from dashboard.app import create_app
from dashboard.intake import decode
from dashboard.settings import Settings, sqlite_url
from dashboard.store import Store
from tests.web.fill import OFFERS, RECORDS_PER_DAY, ZONES, fill
from tests.web.people import COOKIE, sign_in
from tests.web.postgres import Postgres
from tests.web.seed import DAY_MS, DAY_START_MS, HOUR_MS, OUTCOMES, VARIANCE, batch, health, hours, offers, packed

Kind = Literal["sqlite", "postgresql"]
app = typer.Typer(no_args_is_help=True, add_completion=False)


def body(gateway: str, window: int) -> dict[str, object]:
    """The batch of one hour of a gateway."""
    records = [health(f"h{window}", gateway=gateway, window=window)]
    records.append(hours(f"r{window}", dict.fromkeys(ZONES, 20), gateway=gateway, window=window, variance=VARIANCE))
    if window % 24 == 0:
        counts = {zone: dict.fromkeys(OUTCOMES, 5) for zone in ZONES}
        records += [
            offers(f"o{window}.{at}", counts, offer=offer, gateway=gateway, day=window // 24, variance=VARIANCE)
            for at, offer in enumerate(OFFERS)
        ]
    return batch(f"b{window}", records, gateway)


@contextlib.contextmanager
def database(kind: Kind) -> Iterator[str]:
    """The address of a new database."""
    if kind == "postgresql":
        with Postgres() as server:
            yield server.url()
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield sqlite_url(Path(folder) / "load.db")


@app.command()
def batches(kind: Kind, seconds: Annotated[float, typer.Option(min=1)] = 10.0, threads: Annotated[int, typer.Option(min=1)] = 8) -> None:
    """Batches a second through the collector's own steps (decode, check, store), without HTTP."""
    with database(kind) as url:
        store, now_ms = Store(url), DAY_START_MS + 3 * DAY_MS
        texts = [json.dumps(body(f"gw-{at % 500:03}", at // 500 - 60)).encode() for at in range(20_000)]
        work, done = iter(enumerate(texts)), itertools.count()
        lock, begin = threading.Lock(), time.perf_counter()

        def run() -> None:
            while time.perf_counter() - begin < seconds:
                with lock:
                    at, text = next(work)
                store.take(decode(text, f"gw-{at % 500:03}"), now_ms)
                next(done)

        cpu = time.process_time()
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            for one in [pool.submit(run) for _ in range(threads)]:
                one.result()
        took, count = time.perf_counter() - begin, next(done)
        store.close()
        typer.echo(
            f"{kind}: {count / took:.0f} batches/s, {1e6 * (time.process_time() - cpu) / count:.0f} µs of this process's CPU for each"
        )


@app.command()
def killed(batches: Annotated[int, typer.Option(min=10)] = 2_000) -> None:
    """Two desks on one PostgreSQL take batches and one is killed in the middle: batches lost and stored twice."""
    tokens = {f"gw-{number:03}": f"token-of-gateway-{number:03}" for number in range(100)}
    with Postgres() as server, tempfile.TemporaryDirectory() as folder:
        url, file = server.url(), Path(folder) / "tokens"
        file.write_text("".join(f"{gateway} {token}\n" for gateway, token in tokens.items()), "utf-8")
        client = httpx.Client(timeout=30)
        desks = [_desk(url, file, Path(folder) / "key") for _ in range(2)]
        now = int(time.time() * 1000) // HOUR_MS * HOUR_MS
        taken: list[str] = []
        begin = time.perf_counter()

        def send(at: int) -> None:
            gateway, window = f"gw-{at % 100:03}", -(at // 100) - 1
            made = batch(f"b{at}", [hours(f"r{at}", {"plaza": 3}, gateway=gateway, window_start_ms=now + window * HOUR_MS)], gateway)
            if at == batches // 2:
                os.kill(desks[0][0].pid, signal.SIGKILL)
            headers = {"Authorization": f"Bearer {tokens[gateway]}", "Content-Encoding": "gzip"}
            for desk in itertools.islice(itertools.cycle((at % 2, 1)), 20):
                with contextlib.suppress(httpx.HTTPError):
                    if client.post(f"{desks[desk][1]}/v1/batches", content=packed(made), headers=headers).status_code == 200:
                        taken.append(f"r{at}")
                        return

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            list(pool.map(send, range(batches)))
        took = time.perf_counter() - begin
        store = Store(url)
        with store.reading() as connection:
            stored = list(connection.execute(select(schema.hours.c.id)).scalars())
        store.close()
        desks[1][0].terminate()
        for process, _ in desks:
            process.wait(30)
        lost, double = len(set(taken) - set(stored)), len(stored) - len(set(stored))
        typer.echo(f"{len(taken)} of {batches} acknowledged in {took:.1f} s ({len(taken) / took:.0f}/s), {lost} lost, {double} double")


def _desk(url: str, tokens: Path, key: Path) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "dashboard.cli", "serve", "--port", "0", "--json", "--store", url]
    process = subprocess.Popen([*command, "--token-file", str(tokens), "--audit-key", str(key)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, str(json.loads(process.stdout.readline())["address"])


PAGES = ("/", "/?span=week", "/?span=all", "/results?span=week", "/results", "/results?by=both", "/gateways/gw-10007", "/fleet")


@app.command()
def page(
    kind: Kind, records: Annotated[int, typer.Option(min=10_000)] = 1_000_000, days: Annotated[int, typer.Option(min=1)] = 196
) -> None:
    """Milliseconds of pages over many records, the median of 5 after one that is not counted."""
    with database(kind) as url:
        settings = Settings(database_url=url, tokens={"gw-a": "token-of-gateway-a-0001"}, now_ms=lambda: DAY_START_MS + DAY_MS)
        web = create_app(settings)
        store: Store = web.state.accounts._store
        gateways = max(1, round(records / (days * RECORDS_PER_DAY)))
        with store.writing() as connection:
            made = fill(connection, gateways, days)
        client = TestClient(web, base_url="http://localhost", cookies={COOKIE: sign_in(web)})
        typer.echo(f"{kind}: {made:,} records of {gateways} gateways over {days} days")
        for path in PAGES:
            took = []
            client.get(path)
            for _ in range(5):
                begin = time.perf_counter()
                assert client.get(path).status_code == 200
                took.append(1_000 * (time.perf_counter() - begin))
            typer.echo(f"{path}: {sorted(took)[2]:.0f} ms")


if __name__ == "__main__":
    app()
