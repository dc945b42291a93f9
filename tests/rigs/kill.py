"""SIGKILL at random moments: each fact that the broker took from a till is stored once.

A real broker keeps what the gateway has not acknowledged, `wayside run` is killed while tills sell, and started again. In the end the
store holds exactly the facts that the broker acknowledged to the tills.
"""

from __future__ import annotations

import json
import random
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gateway.adapters.store import Store
from gateway.adapters.store.keys import read_key
from gateway.core.types import Envelope
from tests.kit.broker import mosquitto
from tests.kit.gateways import SIM, GatewayProcess, write_config
from tests.kit.subscriber import Subscriber
from tests.kit.waiting import WAIT_S, until
from tests.rigs.report import Progress, Report, quiet

PURCHASES = "wayside/v1/street/up/+/purchase"
STATUS = "wayside/v1/street/gateway/gw-t/status"
FACTS_A_KILL = 500
RATE = 150


class Result(NamedTuple):
    """Facts that were sent, stored, stored twice and lost; kills; and facts that came again and were recognised."""

    sent: int
    stored: int
    double: int
    lost: int
    kills: int
    redelivered: int


def run(count: int, seed: int, progress: Progress = quiet) -> Report:
    """Kill the gateway `count` times in FACTS_A_KILL times as many facts."""
    with tempfile.TemporaryDirectory(prefix="wayside-kill-") as folder:
        result = run_with_kills(Path(folder), facts=count * FACTS_A_KILL, kills=count, rate=RATE, seed=seed, progress=progress)
    broken = [f"{number} facts {name}" for name, number in (("lost", result.lost), ("stored twice", result.double)) if number]
    if not result.redelivered:
        broken.append("no fact came again: the kills show nothing")
    return Report(dict(result._asdict()), tuple(broken))


def run_with_kills(folder: Path, *, facts: int, kills: int, rate: int, seed: int, progress: Progress = quiet) -> Result:
    """Sell `facts` things at `rate` a second while the gateway is killed `kills` times; then look what is stored."""
    draws = random.Random(seed)  # noqa: S311 - moments to be the same each time
    out = folder / "keys.jsonl"
    with (
        mosquitto(folder, persistence=folder / "kept", lines=("max_queued_messages 0",)) as broker,
        GatewayProcess(write_config(folder / "gateway", broker.port)) as gateway,
    ):
        with Subscriber(broker.host, broker.port, STATUS) as subscriber:
            gateway.start()
            subscriber.wait_for(STATUS)  # published after the subscriptions: from now on the broker keeps messages for the gateway
        with Subscriber(broker.host, broker.port, PURCHASES) as subscriber, _tills(broker.url, facts, rate, out) as tills:
            for _ in range(kills):
                until_sold = min(len(subscriber.received) + draws.randrange(facts // (4 * kills), facts // (2 * kills)), facts - 1)
                until(lambda sold=until_sold: len(subscriber.received) >= sold, WAIT_S)  # type: ignore[misc]
                gateway.kill()
                gateway.start()
                progress("kills of a process")
            assert tills.wait(2 * facts / rate + WAIT_S) == 0
        keys = [Envelope(**json.loads(line)) for line in out.read_text("utf-8").splitlines()]
        stored, known = _await_facts(gateway, folder / "gateway", keys)
        assert gateway.stop() == 0, gateway.stderr.read_text("utf-8")
    assert "Traceback" not in gateway.stderr.read_text("utf-8")
    redelivered = sum(report.get("discarded", {}).get("repeated", 0) for report in gateway.reports)
    return Result(len(keys), stored, stored - known, len(keys) - known, kills, redelivered)


def _tills(url: str, count: int, rate: int, out: Path) -> subprocess.Popen[bytes]:
    words = f"flood --broker {url} --kind fact --count {count} --rate {rate} --seconds {2 * count / rate + 60:.0f} --json --out".split()
    return subprocess.Popen([*SIM, *words, str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _await_facts(gateway: GatewayProcess, folder: Path, keys: Sequence[Envelope]) -> tuple[int, int]:
    """Number of stored facts, and of those of `keys` that are stored, once the gateway has all."""
    store = Store(folder / "gw-t.db", read_key(folder / "gw-t.key", may_create=False), key_file=folder / "gw-t.key")
    try:
        until(lambda: store.totals()["facts"] >= len(keys), WAIT_S, describe=lambda: (store.totals(), gateway.latest))
        return store.totals()["facts"], sum(store.is_known(key) for key in keys)
    finally:
        store.close()
