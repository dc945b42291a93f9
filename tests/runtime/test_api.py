"""The HTTP interface of a whole gateway: the same decisions as by MQTT, once for each key, with every refusal by name."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from gateway.adapters.http_tokens import Tokens
from gateway.build import build
from gateway.build_store import open_reader
from gateway.config import ConfigError
from gateway.core.http import TITLES, Request
from gateway.core.offers import Campaign
from gateway.runtime.api import Api
from gateway.runtime.app import App
from tests.commands.terminal import wayside
from tests.kit.bundles import make_bundle, tiny_campaign
from tests.kit.fake_bus import FakeBroker, FakeBus
from tests.kit.gateways import settings_of, walk_in, write_config
from tests.kit.http import HttpClient, Reply
from tests.kit.waiting import until

KIOSK, CENTRE, TILL, WEATHER, CITY = "k" * 32, "c" * 40, "t" * 64, "w" * 32, "y" * 32
MORE = """"kiosk-plaza" = { zone = "plaza", kind = "kiosk" }
"centre" = { zone = "*", kind = "contact_centre" }
"weather" = "*"
"gw-b" = { zone = "*", kind = "gateway" }
"city" = { zone = "*", kind = "feed" }

[http]
port = 0
tokens_file = "tokens.toml"

[coupons]
key_file = "coupons.key"
"""


def campaign(**changes: Any) -> Campaign:
    made = tiny_campaign()
    offers = tuple(msgspec.structs.replace(one, occasions=("requested",), coupon=True, **changes) for one in made.offers)
    return msgspec.structs.replace(made, offers=offers)


def configured(folder: Path) -> Path:
    path = write_config(folder, files=make_bundle(folder, campaign=campaign()), more=MORE)
    tokens = folder / "tokens.toml"
    tokens.write_text(
        f'"kiosk-plaza" = "{KIOSK}"\ncentre = "{CENTRE}"\n"till-cafe" = "{TILL}"\nweather = "{WEATHER}"\ncity = "{CITY}"\n', "utf-8"
    )
    tokens.chmod(0o600)
    return path


class Served:
    """A running gateway with a broker in memory, and a client of its HTTP interface."""

    def __init__(self, config: Path) -> None:
        self.app: App = build(settings_of(config))
        self.app.bus = FakeBus(FakeBroker(self.app.clock.now_ms))
        self._thread = threading.Thread(target=self.app.run, daemon=True)
        self._thread.start()
        self.client = HttpClient(self.app.services[0].port)  # type: ignore[attr-defined]

    def post(self, path: str, body: object, key: str | None = "1", token: str | None = KIOSK, **headers: str) -> Reply:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content_Type": "application/json"} | headers
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if key is not None:
            sent["Idempotency_Key"] = key
        return self.client.send("POST", path, content, **sent)

    def walk_in(self) -> None:
        """A person consents and enters the plaza."""
        facts = self.app.counters.counts["facts"]
        assert self.app.mailbox.deliver(walk_in())
        self.app.mailbox.wake()
        until(lambda: self.app.counters.counts["facts"] > facts)

    def close(self) -> None:
        self.client.socket.close()
        self.app.stop()
        self._thread.join()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return configured(tmp_path)


@pytest.fixture
def served(config: Path) -> Iterator[Served]:
    made = Served(config)
    yield made
    made.close()


def code(reply: Reply) -> str:
    """The code of a problem, whose form is that of RFC 9457."""
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json["status"] == reply.status
    assert reply.json["title"] == TITLES[reply.status]
    assert reply.json["detail"]
    assert reply.json.keys() == {"type", "title", "status", "detail"}
    prefix, _, found = reply.json["type"].rpartition(":")
    assert prefix == "urn:wayside:problem"
    return str(found)


def test_a_decision_is_made_once_for_a_key_also_after_a_restart(config: Path) -> None:
    served = Served(config)
    served.walk_in()
    first = served.post("/v1/decide", {"person": "phone-0001"})
    assert first.status == 200, first
    assert first.json["outcome"] == "offer"
    assert (first.json["offer"], first.json["zone"], first.json["shop"]) == ("flat-white", "plaza", "cafe")
    assert first.json["coupon"]
    assert served.post("/v1/decide", {"person": "phone-0001"}).body == first.body
    other = served.post("/v1/decide", {"person": "phone-0001"}, key="2")
    assert other.json["decision"] != first.json["decision"]
    served.close()

    again = Served(config)
    assert again.post("/v1/decide", {"person": "phone-0001"}).body == first.body
    again.close()
    with closing(open_reader(settings_of(config))) as reader:
        assert sum("chosen" in row for row in reader.latest_decisions(10)) == 2


def test_a_page_gets_a_slate_and_the_same_one_again(config: Path) -> None:
    served = Served(config)
    served.walk_in()
    first = served.post("/v1/decide", {"person": "phone-0001", "most": 3})
    assert (first.status, first.json["outcome"]) == (200, "slate")
    assert [(one["position"], one["offer"]) for one in first.json["offers"]] == [(0, "flat-white")]
    assert first.json["offers"][0]["decision"] == first.json["decision"]
    served.close()
    again = Served(config)
    assert again.post("/v1/decide", {"person": "phone-0001", "most": 3}).body == first.body
    assert code(again.post("/v1/decide", {"person": "phone-0001", "most": 7}, key="2")) == "wrong_body"
    again.close()


def test_another_body_with_a_known_key_is_refused(served: Served) -> None:
    served.walk_in()
    assert served.post("/v1/decide", {"person": "phone-0001"}).status == 200
    assert code(served.post("/v1/decide", {"person": "phone-0002"})) == "key_used"
    assert served.post("/v1/decide", {"person": "phone-0001"}, token=CENTRE).status != 200, "keys belong to a client"


def test_an_answer_is_kept_and_counts_once(served: Served) -> None:
    served.walk_in()
    decision = served.post("/v1/decide", {"person": "phone-0001"}).json["decision"]
    for _ in range(2):
        kept = served.post("/v1/answers", {"decision": decision, "answer": "accepted"})
        assert (kept.status, kept.json) == (200, {"outcome": "kept"})
    assert served.app.counters.counts["accepted"] == 1
    assert code(served.post("/v1/answers", {"decision": decision, "answer": "redeemed"}, key="2")) == "till_only"
    assert code(served.post("/v1/answers", {"decision": "gw-t.0000000000000000", "answer": "shown"}, key="3")) == "unknown_decision"
    assert code(served.post("/v1/answers", {"decision": "gw-x.0000000000000000", "answer": "shown"}, key="4")) == "other_gateway"
    assert code(served.post("/v1/answers", {"decision": decision, "answer": "shown"}, key="5", token=TILL)) == "not_its_kind"


def test_a_client_of_the_whole_site_states_the_zone(served: Served) -> None:
    served.walk_in()
    assert code(served.post("/v1/decide", {"person": "phone-0001"}, token=CENTRE)) == "unknown_zone"
    stated = served.post("/v1/decide", {"person": "phone-0001", "zone": "plaza"}, key="2", token=CENTRE)
    assert (stated.status, stated.json["offer"]) == (200, "flat-white")


def test_silence_has_no_reason_and_a_stranger_is_not_found(served: Served) -> None:
    served.walk_in()
    silent = served.post("/v1/decide", {"person": "phone-0001", "zone": "cafe"}, token=CENTRE)
    assert silent.json.keys() == {"outcome", "decision"}
    assert silent.json["outcome"] == "none"
    assert code(served.post("/v1/decide", {"person": "phone-9999"}, key="2")) == "not_consented"


@pytest.mark.parametrize(
    ("changes", "status", "expected"),
    [
        ({"token": None}, 401, "no_token"),
        ({"token": "x" * 32}, 401, "no_token"),
        ({"token": KIOSK[:-1]}, 401, "no_token"),
        ({"token": None, "Authorization": f"Basic {KIOSK}"}, 401, "no_token"),
        ({"key": None}, 400, "no_key"),
        ({"key": "k" * 129}, 400, "no_key"),
        ({"Content_Type": "text/plain"}, 415, "no_json"),
        ({"body": b"{"}, 400, "wrong_body"),
        ({"body": b"\xff"}, 400, "wrong_body"),
        ({"body": b""}, 400, "wrong_body"),
        ({"body": []}, 422, "wrong_body"),
        ({"body": {}}, 422, "wrong_body"),
        ({"body": {"person": 7}}, 422, "wrong_body"),
        ({"body": {"person": ""}}, 422, "wrong_body"),
        ({"body": {"person": "p" * 65}}, 422, "wrong_body"),
        ({"body": {"person": "a\0b"}}, 422, "wrong_body"),
        ({"body": {"person": "a", "persons": "b"}}, 422, "wrong_body"),
        ({"path": "/v1/decide/"}, 404, "no_resource"),
        ({"path": "/v1/answers", "body": {"decision": "x", "answer": "bought"}}, 422, "wrong_body"),
    ],
)
def test_a_refusal_has_its_name(served: Served, changes: dict[str, Any], status: int, expected: str) -> None:
    arguments = {"path": "/v1/decide", "body": {"person": "phone-0001"}} | changes
    reply = served.post(**arguments)
    assert (reply.status, code(reply)) == (status, expected)


def test_a_wrong_method_names_the_right_one(served: Served) -> None:
    reply = served.client.send("GET", "/v1/decide")
    assert (reply.status, code(reply), reply.headers["allow"]) == (405, "wrong_method", "POST")
    assert served.post("/v1/health", {}).headers["allow"] == "GET"


def test_health_and_the_document_need_no_token_and_name_no_client(served: Served) -> None:
    health = served.client.send("GET", "/v1/health")
    assert health.json.keys() == {"state", "gateway", "at_ms", "broker", "round_trip_ms"}
    document = served.client.send("GET", "/v1/openapi.json")
    assert document.json["openapi"] == "3.1.0"
    assert "kiosk-plaza" not in document.body.decode() + health.body.decode()


def test_health_shows_load_in_whole_seconds_only(served: Served) -> None:
    for exact, shown in ((None, None), (1, 1_000), (1_000, 1_000), (2_345, 3_000)):
        latest = msgspec.structs.replace(served.app.latest, round_trip_ms=exact)
        api = Api(SimpleNamespace(latest=latest), Tokens({}), {}, lambda: 0)
        answer = asyncio.run(api.handle(Request("GET", "/v1/health", {})))
        assert json.loads(answer.body)["round_trip_ms"] == shown


def test_a_full_disk_is_a_busy_gateway_and_nothing_is_folded(served: Served) -> None:
    served.walk_in()
    served.app._holding = True
    reply = served.post("/v1/decide", {"person": "phone-0001"})
    assert (reply.status, code(reply)) == (503, "busy")
    assert reply.headers["retry-after"] == "2"
    served.app._holding = False
    assert served.post("/v1/decide", {"person": "phone-0001"}).status == 200


def test_a_writer_that_does_not_answer_is_a_busy_gateway(served: Served) -> None:
    """The writer is kept busy until the client has its answer; the late request is then not carried out."""
    served.walk_in()
    served.app.services[0]._handler.__self__._wait_s = 0.1  # type: ignore[attr-defined]
    free = threading.Event()
    served.app.mailbox.call(lambda _: free.wait(30))
    reply = served.post("/v1/decide", {"person": "phone-0001"})
    free.set()
    assert (reply.status, code(reply)) == (503, "busy")
    assert served.app.mailbox.call(lambda store: store.backlog()).result(10) is not None
    assert served.app.counters.reasons["chosen"] == 0


@pytest.mark.parametrize(
    ("content", "mode", "expected"),
    [
        (f'"kiosk-plaza" = "{KIOSK}"', 0o644, "chmod 600"),
        ('"kiosk-plaza" = "short"', 0o600, "32 to 256 printable characters"),
        ('"kiosk-plaza" = 7', 0o600, "32 to 256 printable characters"),
        ("kiosk", 0o600, "not valid TOML"),
        ("", 0o600, "from 1 to 1000 tokens"),
        (f'"kiosk-plaza" = "{KIOSK}"\ncentre = "{KIOSK}"', 0o600, "two clients have the same token"),
        (f'"kiosk-plazza" = "{KIOSK}"', 0o600, "did you mean 'kiosk-plaza'?"),
        (f'gw-b = "{KIOSK}"', 0o600, "is no device of `devices` that may use the interface"),
    ],
)
def test_check_refuses_a_token_file_by_name(config: Path, content: str, mode: int, expected: str) -> None:
    path = config.parent / "tokens.toml"
    path.write_text(content, "utf-8")
    path.chmod(mode)
    assert expected in wayside("check", "--config", config).refusal(1)


def test_check_refuses_plain_text_beyond_loopback(config: Path) -> None:
    for host in ("0.0.0.0", "192.168.0.4", "gateway.example", "::"):  # noqa: S104 - refused
        with pytest.raises(ConfigError, match="its answers would be sent in plain text"):
            settings_of(config, f"http.host={host}")
    for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost"):
        assert settings_of(config, f"http.host={host}").http is not None
    with pytest.raises(ConfigError, match="go together"):
        settings_of(config, "http.certificate_file=a.pem")
    missing = wayside("check", "--config", config, "--set", "http.certificate_file=a.pem", "--set", "http.key_file=b.pem")
    assert "http.certificate_file" in missing.refusal(1)


ENVELOPE = {"specversion": "1.0", "type": "air", "source": "weather", "id": "1", "data": {"temperature": 21.5}}
CLOUD = "application/cloudevents+json"


@pytest.mark.parametrize("mode", ["structured", "batch", "binary"])
def test_an_event_is_taken_in_each_content_mode(served: Served, mode: str) -> None:
    sent = {"token": WEATHER, "key": None}
    if mode == "binary":
        attributes = {f"ce_{name}": str(value) for name, value in ENVELOPE.items() if name != "data"}
        reply = served.post("/v1/events", ENVELOPE["data"], **sent, **attributes)  # type: ignore[arg-type]
    elif mode == "batch":
        reply = served.post("/v1/events", [ENVELOPE], **sent, Content_Type="application/cloudevents-batch+json")  # type: ignore[arg-type]
    else:
        reply = served.post("/v1/events", ENVELOPE, **sent, Content_Type=CLOUD)  # type: ignore[arg-type]
    assert (reply.status, reply.json) == (200, {"kept": 1, "discarded": {}})
    assert served.app.state.sensors.zones["*"].readings["temperature"][0] == 21.5


@pytest.mark.parametrize(
    ("changes", "headers", "token", "expected"),
    [
        ({}, {}, WEATHER, "no_cloud_event"),
        ({"source": "weather-2"}, {"Content_Type": CLOUD}, WEATHER, "other_speaker"),
        ({"source": "kiosk-plaza"}, {"Content_Type": CLOUD}, KIOSK, "not_its_kind"),
        ({"specversion": "9"}, {"Content_Type": CLOUD}, WEATHER, "wrong_body"),
        ({"source": None}, {"Content_Type": CLOUD}, WEATHER, "wrong_body"),
        ({}, {"Content_Type": CLOUD}, "x" * 32, "no_token"),
        ({}, {"Content_Type": CLOUD}, CENTRE, "other_speaker"),
    ],
)
def test_an_event_is_refused_by_name(served: Served, changes: dict[str, Any], headers: dict[str, str], token: str, expected: str) -> None:
    assert code(served.post("/v1/events", ENVELOPE | changes, key=None, token=token, **headers)) == expected
    assert served.app.state.sensors.zones == {}


def test_an_event_counts_once_by_its_source_and_id(config: Path) -> None:
    late = {"specversion": "1.0", "type": "train.late", "source": "city", "id": "7", "subject": "plaza"}
    served = Served(config)
    first = served.post("/v1/events", late, token=CITY, key=None, Content_Type=CLOUD)
    assert (first.status, first.json) == (200, {"kept": 1, "discarded": {}})
    batch = served.post("/v1/events", [late, late | {"id": "8"}], token=CITY, key=None, Content_Type="application/cloudevents-batch+json")
    assert batch.json == {"kept": 1, "discarded": {"repeated": 1}}
    served.close()
    again = Served(config)
    assert again.post("/v1/events", late, token=CITY, key=None, Content_Type=CLOUD).json == {"kept": 0, "discarded": {"repeated": 1}}
    again.close()


def test_requests_with_one_key_at_the_same_time_are_one_decision(served: Served) -> None:
    served.walk_in()
    found: list[bytes] = []

    def ask() -> None:
        with HttpClient(served.app.services[0].port) as client:  # type: ignore[attr-defined]
            sent = {"Content_Type": "application/json", "Authorization": f"Bearer {KIOSK}", "Idempotency_Key": "one"}
            found.append(client.send("POST", "/v1/decide", b'{"person": "phone-0001"}', **sent).body)

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 12
    assert len(set(found)) == 1
    assert served.app.counters.reasons["chosen"] == 1
