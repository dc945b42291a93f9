"""Coupons over real brokers: a phone gets a code, two tills redeem it at gateways that are apart, and a bridge lets these meet."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.adapters.coupon_keys import read_keys
from gateway.core.coupons import check, read
from gateway.core.offers import Campaign
from tests.kit.broker import MosquittoBroker, mosquitto
from tests.kit.bundles import make_bundle, tiny_campaign
from tests.kit.gateways import GatewayProcess, message, walk_in, write_config
from tests.kit.subscriber import Subscriber
from tests.kit.waiting import until

OFFER = "wayside/v1/street/down/phone-0001/offer"
REDEEMED = "wayside/v1/street/up/+/redeemed"
MORE = """"{neighbour}" = {{ zone = "*", kind = "gateway" }}

[coupons]
key_file = "coupons.key"
"""


def with_coupons() -> Campaign:
    campaign = tiny_campaign()
    offers = tuple(msgspec.structs.replace(offer, coupon=True) for offer in campaign.offers)
    return msgspec.structs.replace(campaign, offers=offers)


def configured(folder: Path, broker: MosquittoBroker, neighbour: str, name: str = "gw-t") -> Path:
    folder.mkdir()
    path = write_config(folder, broker.port, make_bundle(folder, campaign=with_coupons()), MORE.format(neighbour=neighbour))
    path.write_text(path.read_text("utf-8").replace('gateway = "gw-t"', f'gateway = "{name}"'), "utf-8")
    return path


def sell(subscriber: Subscriber, till: str, code: str) -> None:
    sale = message(till, "purchase", 1, amount_minor=350, coupon=code)
    subscriber.publish(sale.topic, sale.payload)


@pytest.mark.broker
def test_a_code_that_two_tills_redeemed_is_reported_when_the_gateways_meet(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with (
        mosquitto(tmp_path / "a", persistence=tmp_path / "a/kept") as first,
        mosquitto(tmp_path / "b", persistence=tmp_path / "b/kept") as second,
        GatewayProcess(configured(tmp_path / "gw-t", first, "gw-b")) as issuer,
        GatewayProcess(configured(tmp_path / "gw-b", second, "gw-t", "gw-b")) as other,
        Subscriber(first.host, first.port, name="here") as here,
        Subscriber(second.host, second.port, name="there") as there,
    ):
        issuer.start()
        other.start()
        here.say(*walk_in())
        offer = json.loads(here.wait_for(OFFER)[0])
        keys = read_keys([tmp_path / "gw-t/coupons.key.pub"])
        coupon = check(read(offer["coupon"]), keys, "cafe", time.time_ns() // 1_000_000)
        assert (coupon.decision, coupon.offer) == (offer["decision"], "flat-white")
        sell(here, "till-cafe", offer["coupon"])
        here.wait_for("wayside/v1/street/up/gw-t/redeemed")
        sell(there, "till-bistro", offer["coupon"])
        there.wait_for("wayside/v1/street/up/gw-b/redeemed")
        assert not any(message.topic.endswith("/coupon") for message in [*here.received, *there.received]), "neither knows yet"

        second._lines = ("connection meet", f"address {first.host}:{first.port}", f"topic {REDEEMED} both 1")
        second.restart()
        places = [clash(here, "till-cafe"), clash(there, "till-bistro")]
        assert places[0] == places[1]
        assert [(place["till"], place["gateway"]) for place in places[0]] == [("till-cafe", "gw-t"), ("till-bistro", "gw-b")]
        until(lambda: issuer.latest["coupons_clashed"] == other.latest["coupons_clashed"] == 1)
        assert issuer.latest["answers"]["redeemed"] == 1
        assert other.latest["answers"]["redeemed"] == 0
        assert "was redeemed twice: at till-cafe" in issuer.stderr.read_text("utf-8")


def clash(subscriber: Subscriber, till: str) -> list[dict[str, Any]]:
    """The places of the clash that a gateway reports to its till."""
    (payload, *_) = subscriber.wait_for(f"wayside/v1/street/reply/{till}/coupon")
    places: list[dict[str, Any]] = json.loads(payload)["places"]
    return places
