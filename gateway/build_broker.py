"""Builds the sessions with the broker: the topic filters of each, and its address and credentials.

A gateway has two MQTT sessions. The broker's queue for one session is first in, first out, so a person's withdrawal would wait there behind
all facts that any device has sent before. Consents and wishes therefore have a session of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from gateway.adapters.mqtt import MqttBus
from gateway.adapters.mqtt_options import MqttOptions
from gateway.adapters.mqtt_paho import PahoBus
from gateway.adapters.mqtt_sessions import TwoSessions
from gateway.adapters.tls_files import authority_fault, pair_fault
from gateway.build_store import SetupError, secret_text
from gateway.client_id import client_id
from gateway.core.bus import Bus, Publication
from gateway.decoders.topics import covers
from gateway.runtime.echo import echo_topic
from gateway.runtime.feeds import PREFIX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.adapters.clock import SystemClock
    from gateway.adapters.store import Store
    from gateway.config import Config
    from gateway.decoders.contract import Kind
    from gateway.runtime.sources import Source

URGENT: frozenset[Kind] = frozenset({"consent", "wishes", "withdrawn"})
"""A person's own limits, also those that another gateway passes on: they may not wait behind messages of other devices."""

FACTS: frozenset[Kind] = frozenset({"purchase", "answer", "redeemed", "contact", "incident", "played", *URGENT})
WAYSIDE = "wayside_v1"
URGENT_ID = ":consents"
"""End of the second session's client id; no gateway can be called so, because a name has no colon."""


class Filters(NamedTuple):
    """Topic filters of the two sessions; together they match each topic once.

    `urgent` has a session of its own. The other one has `queued` with facts and `unqueued` without. `replaced` are filters of the config
    that were split into these.
    """

    urgent: tuple[str, ...]
    queued: tuple[str, ...]
    unqueued: tuple[str, ...]
    replaced: tuple[str, ...]

    @property
    def every(self) -> tuple[str, ...]:
        """The filters of both sessions."""
        return (*self.urgent, *self.queued, *self.unqueued)


def subscriptions(config: Config, sources: Sequence[Source]) -> Filters:
    """The filters of the sources of a config.

    The filter of a source that has facts and ends in `+`, the kind of message of Wayside's own format, is split by kind. A filter that
    another one covers is left out, because the broker would deliver a message once for each; the other one has facts if this one has.
    """
    urgent: list[str] = []
    queued: list[str] = []
    unqueued: list[str] = []
    replaced: list[str] = []
    for one in sources:
        if one.topic.startswith(PREFIX):
            continue
        head, _, last = one.topic.rpartition("/")
        if not one.kinds & FACTS:
            unqueued.append(one.topic)
        elif last == "+" and one.decoder.name == WAYSIDE:
            replaced.append(one.topic)
            urgent += [f"{head}/{kind}" for kind in sorted(one.kinds & URGENT)]
            queued += [f"{head}/{kind}" for kind in sorted(one.kinds & FACTS - URGENT)]
            unqueued += [f"{head}/{kind}" for kind in sorted(one.kinds - FACTS)]
        elif last in URGENT and one.decoder.name == WAYSIDE:
            urgent.append(one.topic)
        else:
            queued.append(one.topic)
    every = dict.fromkeys((*urgent, *queued, *unqueued, echo_topic(config.site, config.gateway)))
    widest = [one for one in every if not any(covers(other, one) for other in every if other != one)]
    apart = [one for one in widest if one in urgent]
    with_facts = [one for one in widest if one not in apart and any(covers(one, other) for other in (*urgent, *queued))]
    without = [one for one in widest if one not in apart and one not in with_facts]
    return Filters(tuple(apart), tuple(with_facts), tuple(without), tuple(replaced))


def mqtt_options(config: Config, filters: Filters) -> MqttOptions:
    """Address and credentials of the broker for the first session. Raises SetupError for files that are missing or do not fit."""
    part = config.mqtt
    topic = f"wayside/v1/{config.site}/gateway/{config.gateway}/status"
    will = msgspec.json.encode({"v": 1, "gateway": config.gateway, "state": "lost"})
    if part.ca_file is not None and (fault := authority_fault(part.ca_file)):
        raise SetupError(f"{config.place('mqtt', 'ca_file')}: {fault}")
    if (part.certificate_file is None) != (part.key_file is None):
        raise SetupError(f"{config.place('mqtt')}: certificate_file and key_file go together")
    if part.certificate_file is not None and part.key_file is not None and (fault := pair_fault(part.certificate_file, part.key_file)):
        raise SetupError(f"{config.place('mqtt', 'certificate_file')}: {fault}")
    secret_text(part.password_file, config.place("mqtt", "password_file"))
    return MqttOptions(
        host=part.host,
        port=part.port,
        client_id=client_id(config),
        subscriptions=filters.queued,
        unqueued=filters.unqueued,
        replaced=(*filters.replaced, *filters.urgent),
        username=part.username,
        password_file=part.password_file,
        ca_file=part.ca_file,
        certificate_file=part.certificate_file,
        key_file=part.key_file,
        will=Publication(topic, will, qos=1, retain=True),
        websocket_path=part.websocket_path,
    )


def urgent_options(first: MqttOptions, filters: Filters) -> MqttOptions:
    """The options of the second session: the same broker and credentials, and no last will, which the first session has."""
    return msgspec.structs.replace(
        first, client_id=first.client_id + URGENT_ID, subscriptions=filters.urgent, unqueued=(), replaced=(), will=None
    )


def build_bus(config: Config, sources: Sequence[Source], clock: SystemClock, store: Store | None = None) -> Bus:
    """The connection to the broker, not opened yet. Raises SetupError for missing files, and OSError for certificates.

    Filters of an earlier config in `store` are unsubscribed: the broker keeps the sessions, and would queue their messages for days.
    """
    kind = MqttBus if config.mqtt.websocket_path is None else PahoBus
    filters = subscriptions(config, sources)
    former = store.former_filters(filters.every) if store is not None else []
    first = _without(mqtt_options(config, filters), former)
    if not filters.urgent:
        return kind(first, clock.now_ms)
    return TwoSessions(kind(first, clock.now_ms), kind(_without(urgent_options(first, filters), former), clock.now_ms))


def _without(options: MqttOptions, former: Sequence[str]) -> MqttOptions:
    """The options of a session that unsubscribes from filters of an earlier config too."""
    return msgspec.structs.replace(options, replaced=tuple(dict.fromkeys((*options.replaced, *former))))
