"""Identity through a real broker: each device may write its own topics, and whatever it writes there, it speaks as itself.

Every case of every format that names its speaker in the topic is sent from a device called mallory, with every value of its payload
exchanged for the identity of a victim, on all the topics that the broker lets mallory write.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gateway.core.types import Fact, Message, Observation, Reading, Sighting, Status
from gateway.decoders.conformance.mutations import identity_mutations
from gateway.decoders.registry import decoder_names, load
from gateway.decoders.topics import topic_matches
from gateway.decoders.values.speakers import Template, parse_template
from gateway.runtime.router import Router
from gateway.runtime.sources import Installed, source
from tests.decoders.formats import cases_messages
from tests.kit.broker import mosquitto
from tests.kit.subscriber import Subscriber

pytestmark = pytest.mark.broker

MALLORY, VICTIM = "mallory", "ac233f00a001"
IDENTITIES = (VICTIM,)
END = "end/of/matrix"
FORMATS = {name: tuple(map(parse_template, load(name).speakers)) for name in decoder_names() if load(name).role != "bridge"}
MUTATIONS_MAX = 12  # of one message; the conformance suite makes all of them


def test_nobody_speaks_as_another(tmp_path: Path) -> None:
    acl = tmp_path / "acl"
    acl.write_text("\n".join(["topic read #", f"topic write {END}", *(f"pattern write {right}" for right in _rights("%c"))]) + "\n")
    sent = list(_matrix())
    with mosquitto(tmp_path, lines=(f"acl_file {acl}", "max_queued_messages 0")) as broker:
        with Subscriber(broker.host, broker.port, "#") as gateway, Subscriber(broker.host, broker.port, "none", name=MALLORY) as mallory:
            for number, part in enumerate(batched(sent, 50), start=1):
                for one in part:
                    mallory.publish_nowait(one.topic, one.payload, qos=0)
                mallory.publish(END, b"")
                gateway.wait_for(END, count=number)  # a broker drops QoS 0 for a subscriber that lags behind
            mallory.publish(f"owntracks/{VICTIM}/phone", b"{}")
            arrived = [Message(one.topic, one.payload, 0) for one in gateway.received if one.topic != END]
        broker.kill()
    assert Counter(one.topic for one in sent) == Counter(one.topic for one in arrived), "the broker hands on what mallory may write only"
    assert sum(VICTIM in one.topic for one in arrived) > 20, "some of mallory's own topics contain the victim's name"
    router = _router()
    observed = [one for message in arrived for one in router.decode(message) if not _is_heard(router, message, one)]
    formats = {name for name in FORMATS if any(_is_of(name, one.topic) for one in arrived)}
    assert len(formats) >= 12
    assert len(observed) > 500, "mallory's own devices are heard"
    assert [one for one in observed if _speaker(one).partition("/")[0] != MALLORY] == []


def test_the_matrix_finds_a_level_that_is_not_named() -> None:
    """Negative control: by the last level of the topic alone, a user of OwnTracks speaks as another user's device."""
    by_last_level = Router([source("owntracks/#", load("owntracks"), "owntracks/+/{device}/#")])
    assert any(VICTIM in _speaker(one) for message in _matrix() for one in by_last_level.decode(message))


def _router() -> Router:
    usual = [source(f"{template.levels[0]}/#", load(name)) for name, templates in FORMATS.items() for template in templates[:1]]
    return Router([one for one in usual if one.topic[0] != "+"], Installed({}, (VICTIM, MALLORY)))


def batched(sent: list[Message], size: int) -> Iterator[list[Message]]:
    """`sent` in parts of `size`."""
    yield from (sent[at : at + size] for at in range(0, len(sent), size))


def _is_heard(router: Router, message: Message, one: Observation) -> bool:
    """Whether an observation is of a radio that a scanner heard, which it may name."""
    found = next(source for source in router.sources if topic_matches(source.topic, message.topic))
    return found.decoder.role == "scanner" and isinstance(one, Reading | Status)


def _is_of(name: str, topic: str) -> bool:
    return any(template.speaker(topic) for template in FORMATS[name])


def _rights(client: str) -> list[str]:
    """The topics that a device may write: the first level that names it is its own."""
    rights = []
    for template in (template for templates in FORMATS.values() for template in templates):
        levels = list(template.levels)
        levels[template.named[0]] = client
        rights.append("/".join([*levels, *(["#"] if template.is_open else [])]))
    return list(dict.fromkeys(rights))


def _matrix() -> Iterator[Message]:
    """Messages of mallory: the spoofed payloads on its topics, and the cases with the victim in another level of them."""
    rights = _rights(MALLORY)
    for name, templates in FORMATS.items():
        for case in cases_messages(name):
            for template in templates:
                if case.topic and template.speaker(case.topic) is not None:
                    for one in _attempts(template, case):
                        if any(topic_matches(right, one.topic) for right in rights):
                            yield one


def _attempts(template: Template, case: Message) -> Iterator[Message]:
    own = _topic(template, case.topic, MALLORY)
    for spoofed in list(identity_mutations(case, IDENTITIES))[:MUTATIONS_MAX]:
        yield msgspec.structs.replace(spoofed, topic=own)
    levels = own.split("/")
    for at in range(len(levels)):
        yield msgspec.structs.replace(case, topic="/".join([*levels[:at], VICTIM, *levels[at + 1 :]]))


def _topic(template: Template, topic: str, device: str) -> str:
    levels = topic.split("/")
    levels[template.named[0]] = device
    return "/".join(levels)


def _speaker(one: Observation) -> str:
    if isinstance(one, Fact):
        return one.envelope.device
    return one.hearer if isinstance(one, Sighting) else one.device  # type: ignore[union-attr]
