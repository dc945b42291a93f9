"""The other end: count what a broker delivers, so that nobody has to believe the sender."""

from __future__ import annotations

import time
from collections import Counter

from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import MQTTErrorCode

from firmware_sim.wire.broker import Broker, BrokerError, connect

LOOK_S = 0.2
ROOTS_MAX = 20


def count(broker: Broker, topics: str, *, seconds: float, expect: int | None = None, idle_s: float | None = None) -> dict[str, object]:
    """Subscribe and count until `seconds` have passed, `expect` messages came, or none came for `idle_s`."""
    client = connect(broker, "count")
    roots: Counter[str] = Counter()
    received_bytes = retained = 0

    def on_message(_client: object, _userdata: object, message: MQTTMessage) -> None:
        nonlocal received_bytes, retained
        if message.retain:  # said before we came
            retained += 1
            return
        roots[message.topic.lstrip("/").partition("/")[0]] += 1
        received_bytes += len(message.payload)

    client.on_message = on_message
    client.subscribe(topics, qos=1)
    begun_s = last_s = time.monotonic()
    first_s: float | None = None
    seen = 0
    while (now_s := time.monotonic()) - begun_s < seconds and (expect is None or seen < expect):
        if client.loop(LOOK_S) != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise BrokerError("the broker hung up while its messages were counted")
        if roots.total() > seen:
            seen, last_s = roots.total(), now_s
            first_s = now_s if first_s is None else first_s
        elif idle_s is not None and seen and now_s - last_s > idle_s:
            break
    client.disconnect()
    client.loop(0)
    during_s = 0.0 if first_s is None else last_s - first_s
    return {
        "received": seen,
        "retained_before": retained,
        "megabytes": round(received_bytes / 1e6, 2),
        "seconds": round(during_s, 2),
        "received_per_s": round(seen / during_s, 1) if during_s else 0.0,
        "by_root": _shortened(roots),
    }


def _shortened(roots: Counter[str]) -> dict[str, int]:
    """The first levels of the topics, most frequent first; where each device has its own, the rest together."""
    most = dict(roots.most_common(ROOTS_MAX))
    rest = roots.total() - sum(most.values())
    return {**most, "others": rest} if rest else most
