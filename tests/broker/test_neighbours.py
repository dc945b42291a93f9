"""Two whole gateways on one broker: a person who walks from one into the other gets no more offers than the policy allows."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.kit.broker import MosquittoBroker, mosquitto
from tests.kit.bundles import make_bundle, tiny_campaign
from tests.kit.gateways import GatewayProcess, message, walk_in, write_config
from tests.kit.subscriber import Subscriber
from tests.kit.waiting import until

OFFER = "wayside/v1/street/down/phone-0001/offer"


def configured(folder: Path, broker: MosquittoBroker, name: str, neighbour: str) -> Path:
    """A config of a gateway with a neighbour; the zone of `gw-b` has another beacon."""
    folder.mkdir()
    campaign = tiny_campaign()
    policy = msgspec.structs.replace(campaign.policy, gap_s_min=0, per_person_day_max=1, quiet_from=0, quiet_until=0)
    files = make_bundle(folder, campaign=msgspec.structs.replace(campaign, policy=policy))
    path = write_config(folder, broker.port, files, f'"{neighbour}" = {{ zone = "*", kind = "gateway" }}\n')
    text = (
        path.read_text("utf-8")
        .replace('gateway = "gw-t"', f'gateway = "{name}"')
        .replace('anchors = ["plaza"]', f'anchors = ["at-{name}"]')
    )
    path.write_text(text, "utf-8")
    return path


@pytest.mark.broker
def test_a_cap_holds_over_two_gateways_of_a_broker(tmp_path: Path) -> None:
    (tmp_path / "broker").mkdir()
    with (
        mosquitto(tmp_path / "broker") as broker,
        GatewayProcess(configured(tmp_path / "gw-a", broker, "gw-a", "gw-b")) as first,
        GatewayProcess(configured(tmp_path / "gw-b", broker, "gw-b", "gw-a")) as second,
        Subscriber(broker.host, broker.port) as phone,
    ):
        first.start()
        second.start()

        def enters(gateway: str, device: str, seq: int) -> None:
            for number in (0, 1):
                part = message(device, "sighting", seq + number, heard=[{"id": f"at-{gateway}", "rssi": -60}])
                phone.publish(part.topic, part.payload)

        for device in ("phone-0001", "phone-0002"):
            consent = walk_in(device)[0]
            phone.publish(consent.topic, consent.payload)
        until(lambda: first.latest.get("facts") == second.latest.get("facts") == 2)
        enters("gw-a", "phone-0001", 10)
        phone.wait_for(OFFER)
        until(lambda: second.latest["contacts_elsewhere"] == 1)
        enters("gw-b", "phone-0001", 20)
        until(lambda: second.latest["decisions"].get("cap_person_day") == 1)
        enters("gw-b", "phone-0002", 30)
        phone.wait_for("wayside/v1/street/down/phone-0002/offer")
        assert len([one for one in phone.received if one.topic == OFFER]) == 1
