"""Memory and processor time at rest, and the time from the start to the first decision with a full outbox.

Under the launcher, as the service runs it; the cloud is away. The figures are those of this machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

from gateway.adapters.store import Store
from gateway.adapters.store.keys import read_key
from gateway.commands.running import AbsentError, fetch
from gateway.core.records import GatewayHealth
from gateway.runtime.report import Report as Running
from tests.kit.broker import MosquittoBroker, mosquitto
from tests.kit.gateways import settings_of, walk_in, write_config
from tests.kit.subscriber import Subscriber
from tests.kit.waiting import until
from tests.rigs.report import Progress, Report, quiet

CLOUD = '\n[cloud]\nurl = "http://127.0.0.1:9"\ntoken_file = "token"\n'
TICKS_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def run(count: int, seed: int, progress: Progress = quiet) -> Report:
    """Rest for `count` seconds."""
    with tempfile.TemporaryDirectory(prefix="wayside-footprint-") as name, mosquitto(Path(name)) as broker:
        config = write_config(Path(name) / "gateway", broker.port, more=CLOUD)
        (config.parent / "token").write_text("secret-token\n")
        rows = filled(config)
        begun_s = time.monotonic()
        words = ["-I", "-m", "gateway.update.launch", "--root", str(Path(name) / "program"), "--", "run", "--config", str(config)]
        launcher = subprocess.Popen([sys.executable, *words], cwd=config.parent)
        try:
            until(lambda: (found := report_of(config)) is not None and found.connected)
            connected_s = time.monotonic() - begun_s
            decided(broker, config)
            decision_s = time.monotonic() - begun_s
            gateway = int(Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()[0])
            before = [used_s(one) for one in (launcher.pid, gateway)]
            for _ in range(count):
                threading.Event().wait(1.0)
                progress("seconds at rest")
            rest = [used_s(one) - at for one, at in zip((launcher.pid, gateway), before, strict=True)]
            memory = [resident_mib(one) for one in (launcher.pid, gateway)]
            waiting = report_of(config)
        finally:
            launcher.terminate()
            launcher.wait()
    figures = {
        "records waiting": rows,
        "start to the connection, s": round(connected_s, 2),
        "start to the first decision, s": round(decision_s, 2),
        "memory of the gateway, MiB": memory[1],
        "memory of the launcher, MiB": memory[0],
        "processor at rest, gateway, %": round(100 * rest[1] / count, 2),
        "processor at rest, launcher, %": round(100 * rest[0] / count, 2),
    }
    kept = waiting.status.records_waiting if waiting is not None else 0
    return Report(figures, () if kept >= rows else (f"{kept} of {rows} records wait at the end",))


def filled(config: Path, rows: int = 26_500) -> int:
    """Fill the outbox of a gateway that has not started yet; the number of records."""
    settings = settings_of(config)
    key = read_key(settings.store.key_file, may_create=True)
    with closing(Store(settings.store.path, key, key_file=settings.store.key_file)) as store:
        records = [
            GatewayHealth(f"{number:032x}", settings.gateway, 1_790_000_000_000 + number * 3_600_000, 3_600_000, 0, demonstration=False)
            for number in range(rows)
        ]
        with store._db:
            store.counts._put_out(records)
        return store.backlog()


def decided(broker: MosquittoBroker, config: Path) -> None:
    """Let a person walk in, and wait for the decision."""
    with Subscriber(broker.host, broker.port, "nothing") as phone:
        for one in walk_in():
            phone.publish(one.topic, one.payload, qos=1)
    until(lambda: (found := report_of(config)) is not None and sum(found.status.decisions.values()) > 0)


def report_of(config: Path) -> Running | None:
    """The report of the running gateway; None before it listens."""
    with suppress(AbsentError):
        return fetch(settings_of(config))
    return None


def used_s(process: int) -> float:
    """Processor time that a process has used, in seconds."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_S


def resident_mib(process: int) -> float:
    """Resident memory of a process."""
    return round(int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE_BYTES / 2**20, 1)
