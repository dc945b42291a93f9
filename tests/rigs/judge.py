"""Oracle and judge of deliveries: devices, broker, gateway and cloud, with a relay that injects faults on each connection.

Facts: tills publish with QoS 1 through one relay, the gateway receives through another and is killed now and then. The oracle notes each
fact and whether the broker acknowledged it. The judge reads the gateway's database: an acknowledged fact that is absent is missing, one
that no till made or that is there twice is spurious, one with another amount is changed.

Records: an outbox is sent through a third relay to a collector over HTTP. The oracle notes the committed records, the judge reads what the
collector has, by id.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gateway.adapters.cloud import Cloud
from gateway.adapters.store import Store
from gateway.adapters.store.keys import read_key
from gateway.core.syncing import Send, Uplink, plan_sync
from gateway.core.types import Envelope
from gateway.runtime.uplink import UplinkThread
from tests.kit.broker import HOST, mosquitto
from tests.kit.cloud import FakeCloud
from tests.kit.gateways import GatewayProcess, write_config
from tests.kit.subscriber import Subscriber
from tests.kit.testbed import HOUR_MS, Gateway, Phone, open_store
from tests.kit.waiting import until
from tests.rigs.kill import STATUS
from tests.rigs.relay import Rates, Relay, chunks, mqtt_packets
from tests.rigs.report import Progress, Report, quiet
from tests.week.machine import WeekInbox

TILLS = ("till-cafe", "till-bistro", "till-pub")
FACTS_A_KILL = 2_000
IN_FLIGHT_MAX = 200
PATIENCE_S = 300.0  # the gateway's pause between two connections grows to 30 s
HOURS_A_FACT = 0.05
TO_DEVICES = Rates(delay=0.01, slices=0.01, repeat=0.02, drop=0.003, cut=0.003, tear=0.003)
TO_GATEWAY = Rates(delay=0.005, slices=0.002, repeat=0.01, drop=0.0003, cut=0.0003, tear=0.0003)
TO_CLOUD = Rates(delay=0.1, slices=0.05, repeat=0.0, drop=0.05, cut=0.05, tear=0.05)


class Verdict(NamedTuple):
    """What a receiver has of what was sent."""

    missing: int
    spurious: int
    changed: int


def judged(sent: Mapping[Any, Any], acked: set[Any], received: Counter[tuple[Any, Any]]) -> Verdict:
    """Compare. `sent` is content by key, `acked` the keys that must be there, `received` counts pairs of key and content."""
    keys = Counter(key for key, _ in received.elements())
    missing = len(acked - set(keys))
    spurious = sum(count if key not in sent else count - 1 for key, count in keys.items())
    changed = sum(key in sent and sent[key] != content for key, content in received)
    return Verdict(missing, spurious, changed)


class Till:
    """A till that keeps each sale until the broker has acknowledged it, across connections; at most 60,000, one a packet id."""

    def __init__(self, device: str, port: int) -> None:
        self.device = device
        self._seqs: dict[int, int] = {}  # by packet id
        self._acked: set[int] = set()  # packet ids, added by the client's thread
        self._link = paho.Client(CallbackAPIVersion.VERSION2, client_id=device, clean_session=False, protocol=MQTTProtocolVersion.MQTTv311)
        self._link.reconnect_delay_set(1, 1)
        self._link.max_inflight_messages_set(IN_FLIGHT_MAX)
        self._link.on_publish = lambda _link, _userdata, packet_id, *_: self._acked.add(packet_id)
        self._link.connect_async(HOST, port)
        self._link.loop_start()

    def sell(self, seq: int, amount_minor: int) -> None:
        """Publish a sale; returns when few enough wait."""
        fact = {"v": 1, "boot": "judge", "seq": seq, "at_ms": None, "amount_minor": amount_minor, "category": "coffee_house"}
        sent = self._link.publish(f"wayside/v1/street/up/{self.device}/purchase", json.dumps(fact), qos=1)
        assert sent.mid not in self._seqs, "a packet id came again"
        self._seqs[sent.mid] = seq
        until(lambda: self.waiting < IN_FLIGHT_MAX, PATIENCE_S)

    def acked(self) -> set[Envelope]:
        """The sales that the broker acknowledged."""
        return {Envelope(self.device, "judge", self._seqs[packet_id]) for packet_id in self._acked}

    @property
    def waiting(self) -> int:
        """Number of sales that are not acknowledged."""
        return len(self._seqs) - len(self._acked)

    def close(self) -> None:
        """Disconnect."""
        self._link.disconnect()
        self._link.loop_stop()


def run(count: int, seed: int, progress: Progress = quiet) -> Report:
    """`count` facts, and a record for every few of them."""
    with tempfile.TemporaryDirectory(prefix="wayside-judge-") as folder:
        facts, figures = facts_under_faults(Path(folder) / "facts", count, seed, progress)
        records, of_records = records_under_faults(Path(folder) / "records", max(20, round(count * HOURS_A_FACT)), seed)
    broken = [
        f"{number} {what} {name}"
        for what, verdict in (("facts", facts), ("records", records))
        for name, number in zip(Verdict._fields, verdict, strict=True)
        if number
    ]
    figures |= of_records
    broken += [
        f"no {name.replace('_', ' ')}: the run shows nothing" for name in ("facts_repeated", "records_repeated") if not figures[name]
    ]
    for what, verdict in (("facts", facts), ("records", records)):
        figures |= {f"{what}_{name}": number for name, number in verdict._asdict().items()}
    return Report(figures, tuple(broken))


def facts_under_faults(
    folder: Path, count: int, seed: int, progress: Progress = quiet, kills: int | None = None
) -> tuple[Verdict, dict[str, float]]:
    """Sell `count` things through the relays; the verdict on the database, and figures."""
    draws = random.Random(seed)  # noqa: S311 - a run is to be repeatable
    folder.mkdir(parents=True)
    sent = {Envelope(draws.choice(TILLS), "judge", seq): 1_000_000 + seq for seq in range(count)}
    killed = count // FACTS_A_KILL if kills is None else kills
    dying = set(draws.sample(range(count // 10, count), killed))
    with ExitStack() as stack:
        broker = stack.enter_context(mosquitto(folder, persistence=folder / "kept", lines=("max_queued_messages 0",)))
        inward = stack.enter_context(Relay(broker.port, TO_DEVICES, seed, mqtt_packets))
        onward = stack.enter_context(Relay(broker.port, TO_GATEWAY, seed + 1, mqtt_packets))
        gateway = stack.enter_context(GatewayProcess(write_config(folder / "gateway", onward.port)))
        with Subscriber(broker.host, broker.port, STATUS) as subscriber:
            gateway.start()
            subscriber.wait_for(STATUS)  # published after the subscriptions
        tills = {device: Till(device, inward.port) for device in TILLS}
        for place, (envelope, amount_minor) in enumerate(sent.items()):
            if place in dying:
                gateway.kill()
                gateway.start()
            tills[envelope.device].sell(envelope.seq, amount_minor)
            progress("facts")
        until(lambda: not any(till.waiting for till in tills.values()), PATIENCE_S)
        for relay in (inward, onward):
            relay.heal()
        acked = set().union(*(till.acked() for till in tills.values()))
        for till in tills.values():
            till.close()
        verdict = _in_store(folder / "gateway", sent, acked)
        assert gateway.stop() == 0, gateway.stderr.read_text("utf-8")
        faults = inward.faults + onward.faults
    repeated = sum(report.get("discarded", {}).get("repeated", 0) for report in gateway.reports)
    return verdict, {
        "facts_acked": len(acked),
        "facts_repeated": repeated,
        "kills": killed,
        **{f"relay_{name}": number for name, number in sorted(faults.items())},
    }


def _in_store(folder: Path, sent: Mapping[Envelope, int], acked: set[Envelope]) -> Verdict:
    """The verdict on the database, once it has as many facts as were acknowledged."""
    store = Store(folder / "gw-t.db", read_key(folder / "gw-t.key", may_create=False), key_file=folder / "gw-t.key")
    try:
        until(lambda: store.totals()["facts"] >= len(acked), PATIENCE_S)
        by_hash = {bytes(store.facts._hasher.envelope(envelope)): envelope for envelope in sent}
        rows: list[tuple[bytes, int]] = list(store._db.execute("SELECT envelope, amount_minor FROM facts"))
    finally:
        store.close()
    return judged(sent, acked, Counter((by_hash.get(key, key), amount) for key, amount in rows))


def records_under_faults(
    folder: Path, hours: int, seed: int, make_store: Callable[[Path, bytes], Store] = open_store
) -> tuple[Verdict, dict[str, float]]:
    """Send the records of so many hours to a collector; the verdict on what it has, and figures."""
    folder.mkdir(parents=True)
    gateway = Gateway(folder, synced=False, make_store=make_store)
    phone = Phone()
    gateway.apply(phone.consent())
    committed: dict[str, Any] = {}
    with FakeCloud() as collector, Relay(int(collector.url.rpartition(":")[2]), TO_CLOUD, seed, chunks) as relay:
        mailbox = WeekInbox(lambda _: None, lambda _: None)
        mailbox.store = gateway.store
        uplink, state = (
            UplinkThread("gw-t", Cloud(f"http://{HOST}:{relay.port}", "token"), mailbox, gateway.clock.now_ms, 3_600.0),
            Uplink(),
        )
        for _ in range(hours):
            gateway.pass_time(HOUR_MS)
            committed |= {record.id: msgspec.json.decode(msgspec.json.encode(record)) for record in gateway.records()}
            for _ in range(3):  # a failure is tried again with the next hour's records
                if isinstance(plan_sync(gateway.store.backlog(), gateway.clock.now_ms(), state, 0), Send):
                    state = uplink._send(state)
        relay.heal()
        while gateway.store.backlog():
            gateway.clock.advance(HOUR_MS)
            state = uplink._send(state)
        batches = {asked.batch["batch"]: asked.batch["records"] for asked in collector.requests}
        contents = {(asked.batch["batch"], asked.body) for asked in collector.requests}
        faults = relay.faults
    gateway.close()
    held = Counter((record["id"], json.dumps(record)) for records in batches.values() for record in records)
    sent = {key: json.dumps(record) for key, record in committed.items()}
    verdict = judged(sent, set(sent), held)
    changed = verdict.changed + len(contents) - len(batches)  # a batch that came again with other bytes
    figures = {"records_committed": len(sent), "records_repeated": len(collector.requests) - len(batches)}
    return verdict._replace(changed=changed), {**figures, **{f"cloud_{name}": number for name, number in sorted(faults.items())}}
