"""Offers of the channel `webhook`: passed on until taken, refused or expired, with one contact history for all channels."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.adapters.http_server import HttpServer
from gateway.build import build
from gateway.core.http import Request, Response
from gateway.core.offers import Campaign
from gateway.core.ports import OutboundReply
from gateway.core.types import Undelivered
from gateway.runtime.mailbox import Mailbox
from gateway.runtime.outbound import OutboundThread
from gateway.runtime.trigger_sender import TriggerSender
from tests.commands.terminal import wayside
from tests.kit.bundles import make_bundle, tiny_campaign
from tests.kit.fake_bus import FakeBroker, FakeBus
from tests.kit.gateways import settings_of, walk_in, write_config
from tests.kit.testbed import Gateway, Phone, campaign, make_site, offer
from tests.kit.waiting import until

BY_HOOK = offer(channel="webhook")
Kind = Any


class InlineMailbox(Mailbox):
    """A mailbox whose calls run at once, on the test's thread."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(1)
        self._gateway = gateway

    def call(self, task: Callable[[Any], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(task(self._gateway.store))
        return future


class Receiver:
    """Gives the next of `kinds` to each post, the last one for ever; `posts` are (id, body)."""

    def __init__(self, *kinds: Kind) -> None:
        self._kinds = list(kinds)
        self.posts: list[tuple[str, bytes]] = []

    def post(self, id_: str, body: bytes, now_ms: int) -> OutboundReply:
        assert now_ms > 0
        self.posts.append((id_, body))
        return OutboundReply(self._kinds.pop(0) if len(self._kinds) > 1 else self._kinds[0])


class Rig:
    """A person with an offer by webhook, and the thread's work step by step."""

    def __init__(self, folder: Path, *kinds: Kind) -> None:
        site = make_site(campaign=campaign(BY_HOOK, per_person_day_max=1))
        self.gateway = Gateway(folder, site=site, synced=False)
        self.phone = Phone()
        made = self.gateway.apply(self.phone.consent(), self.phone.near("scan-cafe"), self.phone.near("scan-cafe"))
        (self.trigger,) = made.decisions.triggers
        self.bus = FakeBus(FakeBroker(self.gateway.clock.now_ms))
        self.sender = TriggerSender(site, self.bus)
        self.receiver = Receiver(*kinds)
        self.outbound = OutboundThread(self.receiver, self.sender, InlineMailbox(self.gateway), self.gateway.clock.now_ms)

    def waiting(self) -> list[str]:
        self.sender.flush(self.gateway.store)
        self.gateway.apply(Undelivered(self.sender.take_failed()))
        return [trigger.id for trigger in self.gateway.store.waiting_triggers()]


def test_a_failed_try_is_repeated_with_the_same_bytes_after_a_pause(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "busy", "unreachable", "taken")
    rig.outbound.send_waiting()
    rig.outbound.send_waiting()
    assert len(rig.receiver.posts) == 1, "the pause is not over"
    for _ in range(2):
        rig.gateway.clock.advance(2_000)
        rig.outbound.send_waiting()
    assert len(set(rig.receiver.posts)) == 1
    assert len(rig.receiver.posts) == 3
    assert rig.waiting() == []
    assert rig.sender.sent == 1


def test_the_body_is_that_of_other_channels_with_the_device(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "taken")
    rig.outbound.send_waiting()
    ((id_, body),) = rig.receiver.posts
    found = json.loads(body)
    assert id_ == found["decision"] == rig.trigger.id
    assert (found["v"], found["device"], found["offer"], found["shop"]) == (1, "phone-0001", "flat-white", "cafe")
    assert not rig.sender.send(rig.trigger, rig.gateway.clock.now_ms()), "it is not published to the phone"


def test_a_refused_offer_is_not_repeated(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "refused")
    for _ in range(3):
        rig.outbound.send_waiting()
        rig.gateway.clock.advance(10_000)
    assert len(rig.receiver.posts) == 1
    assert rig.waiting() == []
    assert rig.sender.sent == 0
    seen = rig.gateway.apply(rig.phone.near("scan-station"), rig.phone.near("scan-station"), rig.phone.near("scan-station"))
    assert [decision.reason for decision in seen.decisions.made] == ["chosen"], "it counts for no cap"


def test_an_expired_offer_is_dropped_and_counted(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "busy")
    rig.outbound.send_waiting()
    rig.gateway.clock.advance(120_000)
    rig.outbound.send_waiting()
    assert len(rig.receiver.posts) == 1
    assert rig.sender.expired == 1
    assert rig.waiting() == []


def test_a_withdrawal_stops_what_waits(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "busy")
    rig.outbound.send_waiting()
    rig.gateway.apply(rig.phone.withdrawal())
    rig.gateway.clock.advance(10_000)
    rig.outbound.send_waiting()
    assert len(rig.receiver.posts) == 1


def test_it_survives_a_restart(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "unreachable")
    rig.gateway.restart()
    rig.outbound.send_waiting()
    assert [id_ for id_, _ in rig.receiver.posts] == [rig.trigger.id]


def test_it_counts_for_the_caps(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "taken")
    rig.gateway.clock.advance(3_600_000)
    seen = rig.gateway.apply(rig.phone.near("scan-station"), rig.phone.near("scan-station"), rig.phone.near("scan-station"))
    assert [decision.reason for decision in seen.decisions.made] == ["cap_person_day"]


def hooked(**changes: Any) -> Campaign:
    made = tiny_campaign()
    return msgspec.structs.replace(made, offers=tuple(msgspec.structs.replace(one, channel="webhook", **changes) for one in made.offers))


def test_check_names_a_channel_that_the_config_lacks(tmp_path: Path) -> None:
    config = write_config(tmp_path, files=make_bundle(tmp_path, campaign=hooked()))
    assert "the offer 'flat-white' has the channel webhook: set webhook.url" in wayside("check", "--config", config).refusal(1)
    more = ["--set", "webhook.url=http://127.0.0.1:1/", "--set", "webhook.secret_file=none.secret"]
    assert "none.secret" in wayside("check", "--config", config, *more).refusal(1)
    more[1] = "webhook.url=http://hooks.example/"
    assert "would be sent in plain text: use https" in wayside("check", "--config", config, *more).refusal(2)


@pytest.mark.parametrize("statuses", [(204,), (503, 200)])
def test_a_whole_gateway_posts_to_a_real_receiver(tmp_path: Path, statuses: tuple[int, ...]) -> None:
    secret = base64.b64encode(bytes(range(32))).decode()
    (tmp_path / "hook.secret").write_text(f"whsec_{secret}\n", "utf-8")
    (tmp_path / "hook.secret").chmod(0o600)
    requests: list[Request] = []

    async def take(request: Request) -> Response:
        await asyncio.sleep(0)
        requests.append(request)
        return Response(statuses[min(len(requests), len(statuses)) - 1])

    receiver = HttpServer("127.0.0.1", 0, take)
    receiver.start()
    config = write_config(tmp_path, files=make_bundle(tmp_path, campaign=hooked()))
    url = f"webhook.url=http://127.0.0.1:{receiver.port}/sms"
    app = build(settings_of(config, url, "webhook.secret_file=hook.secret", "mqtt.first_connect_s=0"))
    thread = threading.Thread(target=app.run, daemon=True)
    thread.start()
    app.mailbox.deliver(walk_in())
    app.mailbox.wake()
    until(lambda: app.triggers.sent)
    app.stop()
    thread.join()
    receiver.stop()
    assert len(requests) == len(statuses)
    assert len({(request.headers["webhook-id"], request.body) for request in requests}) == 1
    for request in requests:
        signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
        digest = hmac.new(bytes(range(32)), signed, hashlib.sha256).digest()
        assert request.headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert json.loads(requests[0].body)["device"] == "phone-0001"
