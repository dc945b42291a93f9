"""The campaign at the desk: edited, checked, signed off by another person, published to rings, stopped, halted and rolled back."""

from __future__ import annotations

import hashlib
import html
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from fastapi import FastAPI
from httpx import Response
from sqlalchemy.exc import IntegrityError
from starlette.testclient import TestClient

from dashboard import limits
from dashboard.app import create_app
from dashboard.refusals import Refused
from dashboard.settings import Settings
from dashboard.studio import fields
from dashboard.studio.check import check
from dashboard.studio.publisher import Publisher, StudioError, ring
from dashboard.studio.words import differences
from gateway.adapters.bundle import open_bundle
from gateway.adapters.desired import verified
from gateway.core.desired import Desired, Reported, SignedDesired, without_stopped
from tests.web.conftest import KEY, WORLD
from tests.web.markup import Markup
from tests.web.people import COOKIE, csrf, sign_in
from tests.web.seed import START_MS, TOKENS

TEXT = (WORLD / "campaign.toml").read_text("utf-8")
NO = {"may_offend": "no", "may_harm": "no", "uses_misfortune": "no"}


@pytest.fixture
def app(settings: Settings, publisher: Publisher) -> FastAPI:
    return create_app(settings.model_copy(update={"campaign": TEXT}), publisher)


class Desk:
    """A signed-in account, and the gateways."""

    def __init__(self, app: FastAPI, role: str = "admin", name: str = "ines") -> None:
        token = sign_in(app, role, name)  # type: ignore[arg-type]
        self._csrf = csrf(app, token)
        self.client = TestClient(app, base_url="http://localhost", follow_redirects=False, cookies={COOKIE: token})

    def send(self, path: str, **form: str | list[str]) -> Response:
        answer: Response = self.client.post(f"/campaign/{path}", data={"csrf": self._csrf, **form})
        return answer

    def page(self, path: str = "") -> Markup:
        found = Markup(self.client.get(f"/campaign{path}").text)
        assert found.faults == []
        return found

    def report(self, gateway: str = "gw-a", serial: int = 0, **more: str) -> Response:
        values = {"fault": "", "bundle": "street-1", "sha256": "", **more}
        body = msgspec.json.encode(Reported(gateway, serial, stopped=(), zones=("plaza", "cafe"), condition=None, **values))
        answer: Response = self.client.post("/v1/desired", content=body, headers={"Authorization": f"Bearer {TOKENS[gateway]}"})
        return answer

    def order(self, gateway: str = "gw-a", serial: int = 0, **more: str) -> Desired:
        answer = self.report(gateway, serial, **more)
        assert answer.status_code == 200
        return verified(msgspec.json.decode(answer.content, type=SignedDesired), [KEY.public_key()], gateway)

    def edit(self, change: tuple[str, str] = ("A flat white, one euro off", "A flat white, two euros off")) -> int:
        """Save a changed text as the next version; its number."""
        text = html.unescape(
            re.findall(r"<textarea id=\"campaign-text\".*?>\n(.*?)</textarea>", self.client.get("/campaign/edit").text, re.DOTALL)[0]
        )
        newest = re.findall(r'name="base" value="(\d+)"', self.client.get("/campaign/edit").text)[0]
        answer = self.send("save", base=newest, text=text.replace(*change), note="a try")
        assert answer.status_code == 303, Markup(answer.text).text
        return int(answer.headers["location"].rpartition("/")[2])


@pytest.fixture
def desk(app: FastAPI) -> Desk:
    return Desk(app)


@pytest.fixture
def published(app: FastAPI, desk: Desk) -> Iterator[int]:
    """Version 2, signed off and published to all gateways, which run version 1 until then."""
    base = hashlib.sha256((WORLD / "street.bundle").read_bytes()).hexdigest()
    limits_held, limits.HELD_S = limits.HELD_S, 0.0
    for gateway in TOKENS:
        assert desk.report(gateway, sha256=base).status_code == 204
    number = desk.edit()
    assert Desk(app, "approver", "ben").send("sign", number=str(number), **NO).status_code == 303
    assert desk.send("publish", number=str(number), ring="all").status_code == 303
    yield number
    limits.HELD_S = limits_held


def test_the_whole_road_from_a_new_wording_to_the_gateway(app: FastAPI, desk: Desk, publisher: Publisher) -> None:
    number = desk.edit()
    page = desk.page(f"/versions/{number}").text
    assert "A flat white, one euro off”" in page
    assert "It is not signed off" in page
    assert "Another person than the author" in Markup(desk.send("sign", number=str(number), **NO).text).text
    assert "It is not signed off" in Markup(desk.send("publish", number=str(number), ring="all").text).text
    second = Desk(app, "approver", "ben")
    assert second.send("sign", number=str(number), may_offend="no").status_code == 409  # two questions without an answer
    assert second.send("sign", number=str(number), **NO).status_code == 303
    assert desk.send("publish", number=str(number), ring="one", gateway="gw-b").status_code == 303
    order = desk.order("gw-b")
    assert order.bundle is not None
    content = desk.client.get(f"/v1/bundles/{order.bundle.sha256}", headers={"Authorization": f"Bearer {TOKENS['gw-b']}"}).content
    bundle = open_bundle(content, [KEY.public_key()], START_MS, version_min=publisher.base.manifest.version + 1)
    assert bundle.campaign.offers[0].title == "A flat white, two euros off"
    assert bundle.campaign.sign_off is not None
    assert bundle.campaign.sign_off.approver == "ben"
    assert bundle.manifest.version == order.bundle.version
    assert "version 2" in desk.page().text


def test_the_author_alone_signs_nothing_and_a_yes_needs_two(app: FastAPI, desk: Desk) -> None:
    number = str(desk.edit())
    assert Desk(app, "approver", "ben").send("sign", number=number, **{**NO, "may_harm": "yes"}).status_code == 303
    assert "a second person" in Markup(desk.send("publish", number=number, ring="all").text).text
    assert Desk(app, "approver", "ben").send("sign", number=number, **NO).status_code == 409
    assert Desk(app, "approver", "eva").send("sign", number=number, **NO).status_code == 303
    assert desk.send("publish", number=number, ring="all").status_code == 303


def test_a_stopped_offer_is_in_the_next_order_of_every_gateway(desk: Desk, published: int) -> None:
    before = {gateway: desk.order(gateway) for gateway in TOKENS}
    assert desk.send("stop", offer="flat-white").status_code == 303
    for gateway, old in before.items():
        order = desk.order(gateway, old.serial)
        assert (order.stopped, order.bundle) == (("flat-white",), old.bundle)
        assert order.serial > old.serial
    assert "stopped by ines" in desk.page().text
    assert "already" in Markup(desk.send("stop", offer="flat-white").text).text
    assert desk.send("stop", offer="../x").status_code == 409
    assert desk.send("resume", offer="flat-white").status_code == 303
    assert desk.order().stopped == ()
    assert published == 2


def test_a_gateway_without_a_bundle_order_can_stop(desk: Desk) -> None:
    assert desk.send("stop", offer="flat-white").status_code == 303
    assert (desk.order().bundle, desk.order().stopped) == (None, ("flat-white",))


def test_a_fault_of_one_gateway_halts_the_version_and_leads_all_back(desk: Desk, published: int) -> None:
    new = {gateway: desk.order(gateway) for gateway in TOKENS}
    assert desk.report("gw-b", new["gw-b"].serial, fault="model_broken").status_code == 200  # the order back, at once
    for gateway, one in new.items():
        order = desk.order(gateway, one.serial)
        assert order.bundle is not None
        assert one.bundle is not None
        assert order.bundle.sha256 == hashlib.sha256((WORLD / "street.bundle").read_bytes()).hexdigest()
        assert order.bundle.version < one.bundle.version
    assert "halted" in desk.page().text
    assert "gw-b: model_broken" in desk.page(f"/versions/{published}").text
    assert "was halted" in Markup(desk.send("publish", number=str(published), ring="all").text).text


def test_an_older_version_can_be_published_again(desk: Desk, published: int) -> None:
    assert desk.send("publish", number="1", ring="all").status_code == 303
    order = desk.order()
    assert order.bundle is not None
    assert order.bundle.sha256 == hashlib.sha256((WORLD / "street.bundle").read_bytes()).hexdigest()
    assert published == 2


def test_a_gateway_speaks_for_itself_and_in_the_right_shape(desk: Desk) -> None:
    body = msgspec.json.encode(Reported("gw-b", 0, "", "", "", (), ()))
    headers = {"Authorization": f"Bearer {TOKENS['gw-a']}"}
    assert desk.client.post("/v1/desired", content=body, headers=headers).status_code == 403
    assert desk.client.post("/v1/desired", content=body).status_code == 401
    assert desk.client.post("/v1/desired", content=b"{}", headers=headers).status_code == 422
    assert desk.client.post("/v1/desired", content=bytes(limits.REPORT_BYTES_MAX + 1), headers=headers).status_code == 413
    assert desk.client.get("/v1/bundles/none", headers=headers).status_code == 404
    assert desk.client.get("/v1/bundles/none").status_code == 401


def test_a_fault_is_shown_with_its_line_and_nothing_typed_is_lost(desk: Desk) -> None:
    text = TEXT.replace('margin = "1.92 EUR"', 'margin = "1.92 USD"').replace("A flat white", "A <b>flat</b> white")
    answer = desk.send("save", base="1", text=text, note="my note")
    shown = Markup(answer.text)
    assert answer.status_code == 422
    assert shown.faults == []
    assert re.search(r"line \d+: offers\[0\]\.margin", shown.text)
    assert html.unescape(re.findall(r"<textarea id=\"campaign-text\".*?>\n(.*?)</textarea>", answer.text, re.DOTALL)[0]) == text
    assert 'value="my note"' in answer.text
    assert desk.send("save", base="1", text="= broken").status_code == 422
    assert "Nothing was changed" in Markup(desk.send("save", base="1", text=TEXT).text).text


def test_the_form_changes_only_its_fields_and_keeps_wrong_ones(desk: Desk) -> None:
    changed = {"offer.flat-white.per_person_day_max": "3", "policy.gap": "30 s", "copy.of": "first-pint", "copy.title": "Second pint"}
    zones: dict[str, str | list[str]] = {"offer.flat-white.zones-shown": "1", "offer.flat-white.zones": ["plaza", "pub"]}
    answer = desk.send("save", base="1", **changed, **zones)
    assert answer.status_code == 303, Markup(answer.text).text
    page = desk.page("/versions/2").text
    for line in (
        "proposals to one person a day 2 → 3",
        "least time between two offers 15 seconds → 30 seconds",
        "zones - arcade",
        "new offer Second pint (second-pint)",
    ):
        assert line in page
    assert "# people of the demonstration live twenty times as fast" in page  # comments stay
    answer = desk.send("save", base="2", **{"offer.flat-white.starts": "31.12.2026", "policy.gap": "soon"})
    assert answer.status_code == 422
    assert 'value="31.12.2026"' in answer.text
    assert 'value="soon"' in answer.text
    answer = desk.send("save", base="2", **{"offer.flat-white.leave-out": "on"})
    assert "is gone" in desk.page(answer.headers["location"].removeprefix("/campaign")).text


def test_two_editors_see_each_other_and_both_changes_stay(app: FastAPI, desk: Desk) -> None:
    other = Desk(app, "marketer", "eva")
    assert other.send("save", base="1", **{"policy.gap": "30 s"}).status_code == 303
    answer = desk.send("save", base="1", **{"offer.flat-white.title": "Coffee, one euro off"})
    text = Markup(answer.text).text
    assert answer.status_code == 422
    assert "eva saved version 2 meanwhile (all offers: least time between two offers 15 seconds → 30 seconds)" in text
    base, merged = (
        re.findall(r'name="base" value="(\d+)"', answer.text)[0],
        re.findall(r"<textarea id=\"campaign-text\".*?>\n(.*?)</textarea>", answer.text, re.DOTALL)[0],
    )
    assert desk.send("save", base=base, text=html.unescape(merged)).status_code == 303
    table = tomllib.loads(html.unescape(merged))
    assert (table["policy"]["gap"], table["offers"][0]["title"]) == ("30 s", "Coffee, one euro off")


def test_a_save_that_meets_another_at_the_same_moment_is_shown_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def clash(*_: object) -> int:
        raise IntegrityError("INSERT", {}, Exception("UNIQUE constraint failed"))

    monkeypatch.setattr("dashboard.studio.versions.save", clash)
    answer = desk.send("save", base="1", **{"offer.flat-white.title": "Half a price"})
    assert answer.status_code == 409
    assert Markup(answer.text).faults == []
    assert 'name="offer.flat-white.title" value="Half a price"' in answer.text
    monkeypatch.undo()
    assert desk.send("save", base="1", **{"offer.flat-white.title": "Half a price"}).status_code == 303


def test_a_desk_without_keys_says_how_to_get_a_campaign(settings: Settings, tmp_path: Path) -> None:
    desk = Desk(create_app(settings))
    assert "--campaign-key" in desk.page().text
    assert desk.client.get("/campaign/edit").status_code == 404
    with pytest.raises(StudioError, match="--campaign-key"):
        Publisher.load(WORLD / "street.bundle", WORLD / "bundle.pub", tmp_path / "none")


def test_rings_are_stable_and_grow() -> None:
    gateways = [f"gw-{number}" for number in range(25)]
    assert ring(gateways, "one", "gw-3") == ["gw-3"]
    assert len(ring(gateways, "tenth", "")) == 3
    assert set(ring(gateways, "tenth", "")) <= set(ring([*gateways, "gw-x"], "tenth", "")) | {"gw-x"} | set(gateways)
    assert ring(gateways, "all", "") == gateways
    with pytest.raises(Refused, match=r"There is no gateway 'gw-33'; did you mean 'gw-3'\?"):
        ring(gateways, "one", "gw-33")


def test_a_text_is_checked_against_the_zones_of_the_fleet(publisher: Publisher) -> None:
    found = check(TEXT, publisher.base.schema, ["harbour"], START_MS)
    assert len(found.silent) == len(found.campaign.offers if found.campaign else ())
    assert not check(TEXT, publisher.base.schema, None, START_MS).silent
    assert fields.read("= broken") is None
    assert found.campaign is not None
    assert differences(found.campaign, found.campaign, "EUR", ZoneInfo("UTC")) == []


def test_what_a_gateway_loads_has_no_stopped_offer(publisher: Publisher) -> None:
    campaign = publisher.base.campaign
    stopped = without_stopped(publisher.base, ["flat-white"]).campaign
    ended = [offer.id for offer, before in zip(stopped.offers, campaign.offers, strict=True) if offer.ends_ms < before.ends_ms]
    assert ended == ["flat-white"]
    assert stopped.offers[0].ends_ms <= START_MS
    assert without_stopped(publisher.base, ()) is publisher.base


def test_dates_are_those_of_the_campaign_and_not_of_the_desk(app: FastAPI) -> None:
    """The desk's time zone is UTC; the campaign begins at midnight in Berlin."""
    assert 'timezone = "Europe/Berlin"' in TEXT
    assert "starts = 2026-01-01" in TEXT
    desk = Desk(app)
    text = desk.page().text
    assert "1 Jan 2026 to 31 Dec 2035" in text
    assert "31 Dec 2025" not in text
    desk.send("save", base="1", text=TEXT.replace("starts = 2026-01-01", "starts = 2026-02-01", 1), note="")
    assert "1 Jan 2026 → 1 Feb 2026" in desk.page("/versions/2").text
