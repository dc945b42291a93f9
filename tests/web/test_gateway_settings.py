"""Settings for a gateway: checked on the form, ordered signed, shown as in use or taken back, and no fault of a bundle."""

from __future__ import annotations

import hashlib
import html
import re

import msgspec
import pytest
from fastapi import FastAPI
from httpx import Response
from starlette.testclient import TestClient

from dashboard import limits
from dashboard.app import create_app
from dashboard.fleet import desired_settings as wishes
from dashboard.refusals import Refused
from dashboard.settings import Settings
from dashboard.studio.publisher import Publisher
from gateway.adapters.desired import verified
from gateway.core.desired import SETTINGS, SETTINGS_FAULTS, Desired, Reported, SignedDesired
from tests.web.conftest import KEY, WORLD
from tests.web.markup import Markup
from tests.web.people import COOKIE, csrf, sign_in
from tests.web.seed import TOKENS

PATH = "/gateways/gw-a/settings"
ZONE = '[[zones]]\nid = "plaza" # the square\nanchors = ["plaza"]\n'


@pytest.fixture
def app(settings: Settings, publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    monkeypatch.setattr(limits, "HELD_S", 0.0)
    return create_app(settings.model_copy(update={"campaign": (WORLD / "campaign.toml").read_text("utf-8")}), publisher)


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return TestClient(app, base_url="http://localhost", follow_redirects=False, cookies={COOKIE: sign_in(app, "operator")})


def state_of(client: TestClient) -> str:
    page = Markup(client.get(PATH).text)
    assert page.faults == []
    return page.text


def send(client: TestClient, path: str = PATH, **form: str) -> Response:
    token = csrf(client.app, str(client.cookies.get(COOKIE)))  # type: ignore[arg-type]
    answer: Response = client.post(path, data={"csrf": token, **form})
    return answer


def report(client: TestClient, serial: int = 0, fault: str = "", text: str | None = None) -> Desired | None:
    """Report as the gateway, which uses the settings `text`; the newer order, if there is one."""
    in_use = hashlib.sha256(text.encode()).hexdigest() if text else ""
    body = msgspec.json.encode(Reported("gw-a", serial, fault, "street-1", "", (), ("plaza",), None, in_use))
    answer = client.post("/v1/desired", content=body, headers={"Authorization": f"Bearer {TOKENS['gw-a']}"})
    if answer.status_code == 204:
        return None
    return verified(msgspec.json.decode(answer.content, type=SignedDesired), [KEY.public_key()], "gw-a")


def test_fields_become_toml_and_comments_of_the_rest_stay() -> None:
    text, faults = wishes.written(ZONE, {"presence.enter_dbm": "-70", "holidays": "2026-12-25, 2026-12-26", "log_level": "debug"})
    assert faults == []
    assert "# the square" in text
    assert wishes.values(text) == {"presence.enter_dbm": "-70.0", "holidays": "2026-12-25, 2026-12-26", "log_level": "debug"}
    cleared, _ = wishes.written(text, dict.fromkeys(("presence.enter_dbm", "holidays", "log_level"), ""))
    assert wishes.values(cleared) == {}
    assert "presence" not in cleared
    with pytest.raises(Refused, match="not valid TOML"):
        wishes.written("= broken", {})


@pytest.mark.parametrize(
    ("key", "typed", "fault"),
    [
        ("presence.enter_dbm", "loud", "from -127 to 0"),
        ("presence.enter_dbm", "5", "from -127 to 0"),
        ("presence.dwell_s", "nan", "from 0 to 86400"),
        ("holidays", "Christmas", "2026-12-25"),
        ("log_level", "all", "choose debug"),
    ],
)
def test_a_wrong_value_is_shown_on_its_field(key: str, typed: str, fault: str, client: TestClient) -> None:
    answer = send(client, **{key: typed, "status_interval_s": "7"})
    assert answer.status_code == 422
    assert Markup(answer.text).faults == []
    assert fault in answer.text
    assert f'aria-describedby="{key.replace(".", "-")}-fault"' in answer.text
    assert f'value="{typed}"' in answer.text
    assert 'value="7"' in answer.text
    assert report(client) is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("= 1", "line 1: not valid TOML"),
        ("[mqtt]\nhost = 'x'", "'mqtt' is set on the gateway only"),
        ("[zone]", "did you mean 'zones'?"),
        ("x" * 140_000, "more than"),
    ],
)
def test_a_wrong_text_is_shown_again(text: str, fault: str, client: TestClient) -> None:
    answer = send(client, text=text)
    assert answer.status_code == 422
    assert fault in html.unescape(answer.text)
    kept = re.findall(r"<textarea id=\"settings-text\".*?>\n(.*?)</textarea>", answer.text, re.DOTALL)[0]
    assert html.unescape(kept) == text
    assert all(name in html.unescape(answer.text) for name in SETTINGS) or "mqtt" not in text


def test_settings_are_ordered_used_and_taken_back(client: TestClient) -> None:
    assert "settings of its own file" in state_of(client)
    assert send(client, text=ZONE).status_code == 303
    assert "on their way" in state_of(client)
    order = report(client)
    assert order is not None
    assert (order.bundle, order.settings) == (None, ZONE)
    report(client, order.serial, text=ZONE)
    assert "It uses these settings" in state_of(client)
    assert send(client, **{"presence.enter_dbm": "-60"}).status_code == 303
    newer = report(client, order.serial, text=ZONE)
    assert newer is not None
    assert newer.settings is not None
    assert "enter_dbm = -60" in newer.settings
    report(client, newer.serial, fault=f"{SETTINGS_FAULTS[1]}: broker or desk were out of reach", text=ZONE)
    assert "settings of before: the new settings were taken back" in state_of(client)


def test_a_fault_of_settings_halts_no_version_of_the_campaign(app: FastAPI, client: TestClient) -> None:
    admin = TestClient(app, base_url="http://localhost", follow_redirects=False, cookies={COOKIE: sign_in(app)})
    assert send(admin, "/campaign/publish", number="1", ring="all").status_code == 303
    send(client, text=ZONE)
    order = report(client)
    assert order is not None
    assert order.bundle is not None
    assert report(client, order.serial, fault=f"{SETTINGS_FAULTS[0]}: no zone") is None
    assert "halted" not in Markup(admin.get("/campaign").text).text
    assert report(client, order.serial + 1, fault="the bundle is refused") is None


def test_an_unknown_gateway_and_other_roles_are_refused(app: FastAPI, client: TestClient, settings: Settings) -> None:
    assert client.get("/gateways/nope/settings").status_code == 404
    assert send(client, "/gateways/nope/settings", text="").status_code == 404
    viewer = TestClient(app, base_url="http://localhost", cookies={COOKIE: sign_in(app, "viewer")})
    assert viewer.get(PATH).status_code == 403
    assert "/settings" not in viewer.get("/gateways/gw-a").text
    without = create_app(settings.model_copy(update={"database_url": settings.database_url + "2"}))
    assert TestClient(without, base_url="http://localhost", cookies={COOKIE: sign_in(without)}).get(PATH).status_code == 404
