"""Times the steps of the pipeline one by one, in this process: decoding, folding, deciding, committing.

By processor time, but for commits, which wait for the disk.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.adapters.store import Store
from gateway.build import build_site, model_slot, open_config_bundle
from gateway.commands.bench import street
from gateway.core import engine
from gateway.core.bus import Publication
from gateway.core.context import SubjectContext, ZoneContext
from gateway.core.mqtt import encoder
from gateway.core.mqtt.decoder import Decoder
from gateway.core.policy.choose import decide
from gateway.core.policy.prepared import DecisionRequest
from gateway.core.types import Consent, Envelope, Message, Observation, Purchase, Sighting
from gateway.decoders.registry import load

if TYPE_CHECKING:
    from gateway.config import Config

NOW_MS = 1_790_000_000_000
RUN_S = 0.25
RUNS = 5
KEY = bytes(range(32))
PEOPLE = 60
PACKETS = 300  # of one read

SAMPLES: dict[str, tuple[str, Any]] = {
    "wayside_v1": (
        "wayside/v1/street/up/phone-0001/sighting",
        {
            "v": 1,
            "boot": "b",
            "seq": 7,
            "at_ms": NOW_MS,
            "heard": [{"id": "iBeacon:5a1e0000-0000-4000-8000-000000000001-1-4", "rssi": -61.5}],
        },
    ),
    "espresense": (
        "espresense/devices/iBeacon:5a1e0000-0000-4000-8000-0000000000ff-1000-1/plaza",
        {
            "id": "iBeacon:5a1e0000-0000-4000-8000-0000000000ff-1000-1",
            "mac": "5a3f1c9d0e42",
            "rssi": -63.1,
            "distance": 2.4,
            "rssi@1m": -59,
        },
    ),
    "owntracks": (
        "owntracks/street/phone-0001",
        {"_type": "location", "tid": "01", "lat": 52.52, "lon": 13.405, "acc": 8, "tst": NOW_MS // 1000, "batt": 81, "conn": "m"},
    ),
    "zigbee2mqtt": ("zigbee2mqtt/arcade-climate", {"temperature": 21.3, "humidity": 48.2, "battery": 93, "linkquality": 117}),
    "ruuvi_gateway": (
        "ruuvi/C8:25:2D:00:CA:FE/E3:75:CF:00:00:01",
        {
            "gw_mac": "C8:25:2D:00:CA:FE",
            "rssi": -52,
            "aoa": [],
            "data": "0201061BFF990405158A5B05C6810004004403DCAB767A45BDE375CF000001",
            "coords": "",
        },
    ),
    "minew_gateway_json": (
        "/gw/ac233f00a001/status",
        [
            {"timestamp": "2026-11-22T12:00:00Z", "type": "Gateway", "mac": "AC233F00A001", "gatewayFree": 42, "gatewayLoad": 1.1},
            {
                "timestamp": "2026-11-22T12:00:00Z",
                "type": "iBeacon",
                "mac": "0BE383050DE8",
                "bleName": "",
                "ibeaconUuid": "5A1E0000000040008000" + "0000000000FF",
                "ibeaconMajor": 1000,
                "ibeaconMinor": 1,
                "rssi": -58,
                "ibeaconTxPower": -59,
                "battery": 0,
            },
        ],
    ),
}


def decoders() -> dict[str, list[float]]:
    """Decoder -> µs per message, one figure per run."""
    found = {}
    for name, (topic, payload) in SAMPLES.items():
        decoder, message = load(name), Message(topic, msgspec.json.encode(payload), NOW_MS)
        found[name] = _timed(lambda decoder=decoder, message=message: decoder.decode(message), 1)  # type: ignore[misc]
    return found


def codec(config: Config) -> dict[str, list[float]]:
    """µs per PUBLISH of the street mix: the gateway's codec, and the Rust codec mqtt5 where it is installed."""
    sent = islice(street.sightings(street.places(config), "codec"), PACKETS)
    packets = b"".join(encoder.publish(5, Publication(one.topic, one.payload), 0) for one in sent)
    decoder = Decoder(5)
    found = {"gateway": _timed(lambda: decoder.feed(packets, NOW_MS), PACKETS)}
    try:
        read = import_module("mqtt5").read
    except ImportError:
        return found

    def whole() -> list[Message]:
        buffer, at, messages = memoryview(packets), 0, list[Message]()
        while at < len(packets):
            packet, used = read(buffer[at:])
            at += used
            messages.append(Message(packet.topic, packet.payload, NOW_MS))
        return messages

    return found | {"mqtt5 (Rust)": _timed(whole, PACKETS)}


def folding(config: Config) -> dict[str, list[float]]:
    """µs per sighting of a consenting person in a zone, for batches of 1, 64 and 256."""
    bundle = open_config_bundle(config, NOW_MS)
    site = build_site(config, bundle)
    scorer = model_slot(config, bundle)
    anchor = next(iter(site.anchors))
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "bench.db", KEY)
        state = store.state(NOW_MS, site.presence)
        tags = [f"tag-{index}" for index in range(PEOPLE)]
        consents: list[Observation] = [Consent(Envelope(tag, "b", 0), ("presence", "offers"), 1, tags=()) for tag in tags]
        changes = engine.advance(site, state, consents, NOW_MS, store, scorer, _draw)
        store.save(changes)
        state.accept(changes)

        def fold(batch: list[Observation]) -> None:
            changes = engine.advance(site, state, batch, NOW_MS, store, scorer, _draw)
            if changes.is_durable:
                store.save(changes)
            state.accept(changes)

        sightings: list[Observation] = [Sighting(anchor, tags[index % PEOPLE], -60.0) for index in range(256)]
        found = {f"batch of {size}": _timed(lambda size=size: fold(sightings[:size]), size) for size in (1, 64, 256)}  # type: ignore[misc]
        store.close()
    return found


def deciding(config: Config) -> list[float]:
    """µs per decision: gates, attributes, one ONNX call for all open offers, ranking."""
    bundle = open_config_bundle(config, NOW_MS)
    site = build_site(config, bundle)
    scorer = model_slot(config, bundle)
    zone = site.campaign.offers[0].zones[0]
    subject = SubjectContext("s", "d", ("presence", "offers"), "b", 0)
    request = DecisionRequest(subject, zone, "entered", NOW_MS, site)
    here = ZoneContext({"temperature": (12.0, NOW_MS), "precipitation": (0.0, NOW_MS)})
    return _timed(lambda: decide(request, here, scorer, "bench.0"), 1)


def committing(config: Config) -> dict[str, list[float]]:
    """Facts per second through fold and commit (WAL, synchronous=FULL), for batches of 1, 10 and 100."""
    bundle = open_config_bundle(config, NOW_MS)
    site = build_site(config, bundle)
    scorer = model_slot(config, bundle)
    till = next(device for device in site.devices if device.startswith("till"))
    numbers = itertools.count()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "bench.db", KEY)
        state = store.state(NOW_MS, site.presence)

        def commit(size: int) -> None:
            facts: list[Observation] = [Purchase(Envelope(till, "b", next(numbers)), 450) for _ in range(size)]
            changes = engine.advance(site, state, facts, NOW_MS, store, scorer, _draw)
            store.save(changes)
            state.accept(changes)

        for size in (1, 10, 100):
            found[f"batch of {size}"] = [1e6 / cost for cost in _timed(lambda size=size: commit(size), size, time.perf_counter)]  # type: ignore[misc]
        store.close()
    return found


_numbers = itertools.count()


def _draw() -> str:
    """Ids that are not random, which cost as much as random ones."""
    return f"{next(_numbers):016x}"


def _timed(action: Callable[[], object], units: int, clock: Callable[[], float] = time.process_time) -> list[float]:
    """µs per unit by a clock, one figure for each of RUNS runs of RUN_S seconds after a warm-up."""
    figures = []
    for _ in range(RUNS + 1):
        times, started = 0, clock()
        while (passed := clock() - started) < RUN_S:
            action()
            times += 1
        figures.append(passed * 1e6 / times / units)
    return figures[1:]
