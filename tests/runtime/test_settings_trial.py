"""Settings of the desk: in place of those of the file, never by force, and taken back if the gateway cannot start with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import settings_trial
from gateway.adapters.desired import AppliedFile
from gateway.config import Config, ConfigError, combined
from gateway.core.desired import Applied, SettingsTrial
from tests.kit.gateways import settings_of, write_config

DESK = '\n[cloud]\nurl = "https://desk.example"\ntoken_file = "token"\ndesk = true\n'
ZONES = '[[zones]]\nid = "hall"\nanchors = ["plaza"]\n[devices]\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path, more=DESK)


def kept(config: Path) -> AppliedFile:
    return AppliedFile(settings_of(config).bundle.path)


def zones(settings: Config) -> list[str]:
    return [zone.id for zone in settings.zones]


def test_they_stand_in_place_of_those_of_the_file(config: Path) -> None:
    kept(config).write(Applied(1, settings=ZONES))
    found = settings_of(config, "status_interval_s=5")
    assert (zones(found), found.status_interval_s) == (["hall"], 5)
    assert found.store.path == config.parent / "gw-t.db"
    assert zones(combined(found, 'log_level = "error"')) == ["plaza", "cafe"], "others replace them, and are not added"


def test_without_a_desk_they_are_not_read(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    kept(config).write(Applied(1, settings=ZONES))
    assert zones(settings_of(config)) == ["plaza", "cafe"]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("[mqtt]\nhost = 'elsewhere'", "mqtt is set on the gateway only; a desk sets zones, sources"),
        ("[store]\npath = '/etc/passwd'", "store is set on the gateway only"),
        ("[privacy]\nepsilon_day = 10", "privacy is set on the gateway only"),
        ("[bundle]\ntrusted_keys = []", "bundle is set on the gateway only"),
        ("gateway = 'gw-x'", "gateway is set on the gateway only"),
        ("log_level = 'loud'", "the desk's settings: log_level"),
        ("zones = [", "the desk's settings: "),
    ],
)
def test_what_a_desk_may_not_set_or_does_not_fit(config: Path, text: str, cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        combined(settings_of(config), text)
    kept(config).write(Applied(1, settings=text))
    assert zones(settings_of(config)) == ["plaza", "cafe"], "the gateway starts with its own"


def test_settings_that_cannot_start_are_taken_back(config: Path) -> None:
    kept(config).write(Applied(1, settings=ZONES, settings_trial=SettingsTrial("")))
    assert settings_trial.take_back(settings_of(config), "no port")
    assert zones(settings_of(config)) == ["plaza", "cafe"]
    assert kept(config).read().fault == "the new settings were taken back: no port"
    assert not settings_trial.take_back(settings_of(config), "again")


def test_a_gateway_that_ends_again_and_again_takes_them_back(config: Path) -> None:
    kept(config).write(Applied(1, settings=ZONES, settings_trial=SettingsTrial("")))
    assert [settings_trial.count_start(settings_of(config)) for _ in range(5)] == [False, False, False, True, False]
    assert zones(settings_of(config)) == ["plaza", "cafe"]
