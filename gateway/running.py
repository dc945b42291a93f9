"""`wayside run` and `wayside check`: starting a gateway, waiting for its broker, and reporting while it runs."""

from __future__ import annotations

import logging
import sys
import threading
from typing import TYPE_CHECKING

import msgspec

from gateway.adapters.clock import SystemClock
from gateway.adapters.mqtt import MqttBus
from gateway.build import build_road, build_street, cloud, mqtt_options, sound_bundle

if TYPE_CHECKING:
    from gateway.app import App
    from gateway.config import Config

log = logging.getLogger("wayside")
LOOK_S = 0.2


def serve(gateway: App, settings: Config, *, as_json: bool) -> str:
    """Run until stopped; the trouble in words if the broker was never there, else nothing."""
    trouble: list[str] = []
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(gateway, settings, ended, trouble, as_json), name="watch", daemon=True)
    watcher.start()
    gateway.run()
    ended.set()
    watcher.join(1.0)
    if as_json:
        _print(gateway)
    return trouble[0] if trouble else ""


def checked(settings: Config) -> str:
    """Everything that `run` would open short of the network and the database; what it found, in words."""
    bundle = sound_bundle(settings, SystemClock().now_ms())
    street = build_street(settings, bundle)
    build_road(settings)
    MqttBus(mqtt_options(settings), SystemClock().now_ms)
    cloud(settings)
    offers = len(street.campaign.offers)
    name = f"{bundle.manifest.name} {bundle.manifest.version}"
    return f"{len(street.zones)} zones, {len(settings.sources)} sources, bundle {name} with {offers} offers"


def _watch(gateway: App, settings: Config, ended: threading.Event, trouble: list[str], as_json: bool) -> None:  # noqa: FBT001 - a thread's argument
    """Give up on a broker that never was there; say when the connection changes; print reports for machines."""
    waited_s, connected = 0.0, False
    while not ended.wait(LOOK_S):
        link = gateway.bus.link()
        if link.connected != connected:
            connected = link.connected
            log.info("connected with %s" if connected else "%s", link.protocol if connected else link.trouble)
        waited_s += LOOK_S
        limit_s = settings.mqtt.first_connect_s
        if link.connects == 0 and limit_s and waited_s >= limit_s:
            trouble.append(link.trouble or "the broker does not answer")
            gateway.stop()
            return
        if as_json and int(waited_s / LOOK_S) % max(1, int(settings.status_interval_s / LOOK_S)) == 0:
            _print(gateway)


def _print(gateway: App) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(gateway.latest) + b"\n")
    sys.stdout.buffer.flush()
