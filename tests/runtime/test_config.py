"""The config: every setting has a description, unknown keys are refused, and errors name the line and the nearest key."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import Config, ConfigError, _model_in, load_config
from gateway.core.site import Zone
from tests.kit.gateways import CONFIG

TEXT = CONFIG.format(port=1883, bundle="street.bundle", keys="street.pub")
TABLE = tomllib.loads(TEXT)


def written(folder: Path, text: str = TEXT) -> Path:
    path = folder / "wayside.toml"
    path.write_text(text, "utf-8")
    return path


def fault(folder: Path, text: str, *overrides: str) -> str:
    with pytest.raises(ConfigError) as refused:
        load_config(written(folder, text), overrides)
    return str(refused.value)


def models(model: type[pydantic.BaseModel] = Config) -> Iterator[type[pydantic.BaseModel]]:
    yield model
    for field in model.model_fields.values():
        inner = _model_in(field.annotation)
        if inner is not None:
            yield from models(inner)


def test_every_setting_is_described() -> None:
    fields = [(model.__name__, name, field.description) for model in models() for name, field in model.model_fields.items()]
    assert len(fields) > 40
    assert [field for field in fields if not field[2]] == []


def test_no_model_lets_unknown_keys_or_changes_pass() -> None:
    found = list(models())
    assert len(found) >= 8
    for model in found:
        assert model.model_config.get("extra") == "forbid", model
        assert model.model_config.get("frozen") is True, model
        assert model.model_config.get("allow_inf_nan") is False, model


def test_a_good_file_is_read_and_its_paths_are_relative_to_it(tmp_path: Path) -> None:
    config = load_config(written(tmp_path))
    assert config.store.path == tmp_path / "gw-t.db"
    assert config.bundle.path == tmp_path / "street.bundle"
    assert config.bundle.trusted_keys == (tmp_path / "street.pub",)
    assert config.mqtt.password_file is None
    assert config.cloud is None
    assert math.isclose(config.presence.dwell_s, 600.0)
    assert config.zones[1].zone() == Zone("cafe", "coffee_house", x_m=120.0)


def _places(table: dict[str, Any], where: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every table of a config file with fixed keys (those of `devices` are free)."""
    yield where
    for name, value in table.items():
        inner = value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else value
        if isinstance(inner, dict) and name != "devices":
            yield from _places(inner, (*where, name))


@given(
    where=st.sampled_from(sorted(_places(TABLE))),
    key=st.from_regex(r"\A[a-zA-Z_][a-zA-Z0-9_-]{0,24}\Z"),
    value=st.one_of(st.integers(), st.text(), st.booleans(), st.lists(st.integers()), st.none()),
)
def test_an_unknown_key_never_passes(where: tuple[str, ...], key: str, value: object) -> None:
    """With any name, table and value: a mistyped privacy setting must not leave the default in force."""
    table = tomllib.loads(TEXT)
    inner: Any = table
    model: type[pydantic.BaseModel] = Config
    for name in where:
        inner = inner[name][0] if isinstance(inner[name], list) else inner[name]
        found = _model_in(model.model_fields[name].annotation)
        assert found is not None
        model = found
    if key in model.model_fields:
        return
    inner[key] = value
    with pytest.raises(pydantic.ValidationError) as refused:
        Config.model_validate(table)
    assert any(error["type"] == "extra_forbidden" and error["loc"][-1] == key for error in refused.value.errors())


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("status_interval_s", "status_intervall_s", ":4: status_intervall_s: unknown key; did you mean 'status_interval_s'?"),
        ("first_connect_s", "first_conect_s", ":8: mqtt.first_conect_s: unknown key; did you mean 'first_connect_s'?"),
        ("[presence]", "[presense]", ":18: presense: unknown key; did you mean 'presence'?"),
        ("x_m = 120.0", "xm = 120.0", ":28: zones.1.xm: unknown key; did you mean 'x_m'?"),
        ("x_m = 120.0", 'x_m = "far"', ":28: zones.1.x_m: 'far' is not a number"),
        ("x_m = 120.0", "x_m = nan", ":28: zones.1.x_m: Input should be a finite number"),
        ("dwell_s = 600", "dwell_s = inf", ":19: presence.dwell_s: Input should be a finite number"),
        ("port = 1883", "port = 0", ":7: mqtt.port: 0 is out of range: it is above 0"),
        ("dwell_s = 600", "enter_dbm = -80\nexit_dbm = -75", ":18: presence: exit_dbm -75 must not be above enter_dbm -80"),
        ('kind = "coffee_house"', 'kind = "Coffee House"', ":27: zones.1.kind: "),
        ("x_m = 120.0", 'opening_hours = "Mon-Fr 08:00-18:00"', ":28: zones.1.opening_hours: 'Mon-Fr 08:00-18:00': 'Mon' is no day"),
        ("status_interval_s = 0.2", "holidays = [2026-12-25, 2026-13-01]", "not valid TOML"),
        ("status_interval_s = 0.2", 'holidays = ["Christmas"]', ":4: holidays.0: 'Christmas' is no date: write it"),
        ('"Europe/Berlin"', '"Europe/Berlinn"', ":3: timezone: unknown time zone 'Europe/Berlinn'"),
        ('site = "street"', 'site = "Main Street"', ":1: site: 'Main Street' is not an id: 1 to 64 lower-case letters, digits, - and _"),
        ('site = "street"', "", ": site: required, and absent: the site's name in topics"),
        ('id = "cafe"', 'id = "plaza"', ":26: zones.1.id: zone 'plaza' occurs twice"),
        ('id = "cafe"', 'id = "cafe"\nanchors = ["plaza"]', ":27: zones.1.anchors: anchor 'plaza' occurs twice"),
        (
            '"till-cafe" = { zone = "cafe"',
            '"till-cafe" = { zone = "cafee"',
            "'till-cafe' is in zone 'cafee', which is not defined; did you mean 'cafe'?",
        ),
        (
            '"till-cafe" = { zone = "cafe", kind = "till" }',
            '"till-cafe" = { zone = "*", kind = "screen" }',
            "devices.till-cafe: a screen stands in one zone: name it",
        ),
        ("[presence]", "[screens]\npeople_min = 2\n[presence]", ":19: screens.people_min: 2 is out of range: it is at least 3"),
        ('"till-cafe" =', '"unstated" =', "'unstated' stands for all devices that state no id"),
        ('anchors = ["plaza"]', 'anchors = ["unstated"]', "configure the device to state an id, or to use a topic with its name"),
        ("[presence]", "[retention]\nfacts_days = 2\n[presence]", ":19: retention.facts_days: 2 is out of range: it is at least 3"),
        ("[presence]", "[retention]\nvisits_days = 801\n[presence]", "retention.visits_days: 801 is out of range: it is at most 800"),
        ('decoder = "espresense"', "", ":34: sources.1: a source has either a decoder or a mapping"),
    ],
)
def test_a_fault_names_line_field_and_what_is_right(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in TEXT
    said = fault(tmp_path, TEXT.replace(old, new, 1))
    assert str(tmp_path / "wayside.toml") in said
    assert expected in said


def test_every_fault_has_a_line_of_its_own(tmp_path: Path) -> None:
    said = fault(tmp_path, TEXT.replace("port = 1883", "port = 0").replace("dwell_s", "dwel_s"))
    assert len(said.splitlines()) == 2


@pytest.mark.parametrize("text", ["site = ", "a = 1\na = 2", "[[zones", "\x00", "x = " + "[" * 5_000])
def test_what_is_no_toml_is_told(tmp_path: Path, text: str) -> None:
    assert "not valid TOML" in fault(tmp_path, text)


def test_a_file_in_another_encoding_is_told(tmp_path: Path) -> None:
    path = tmp_path / "wayside.toml"
    path.write_bytes(TEXT.replace("plaza", "Straße").encode("latin-1"))
    with pytest.raises(ConfigError, match=r":22: a character is not UTF-8 .byte 0xdf.; save the file as UTF-8"):
        load_config(path)


def test_a_missing_file_or_a_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such file; `wayside init` makes one"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("mqtt.port=1884", lambda config: config.mqtt.port == 1884),
        ("mqtt.host=broker.example", lambda config: config.mqtt.host == "broker.example"),
        ("presence.dwell_s=2.5", lambda config: math.isclose(config.presence.dwell_s, 2.5)),
        ("store.path=other.db", lambda config: config.store.path.name == "other.db"),
        ("privacy.window_s=600", lambda config: config.privacy.terms().window_ms == 600_000),
        ("devices.till-9=cafe", lambda config: config.devices["till-9"].zone == "cafe"),
        ('mqtt.username=""', lambda config: config.mqtt.username == ""),
        ("mqtt.username=a=b", lambda config: config.mqtt.username == "a=b"),
    ],
)
def test_a_setting_may_be_overridden(tmp_path: Path, override: str, read: Any) -> None:
    assert read(load_config(written(tmp_path), [override]))


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("mqtt.port", "write it as name=value, such as mqtt.port=1884"),
        ("=5", "write it as name=value"),
        ("mqtt.=5", "write it as name=value"),
        ("site.name=x", "site is not a group of settings"),
        ("zones.id=x", "zones is not a group of settings"),
        ("mqtt.prot=5", "mqtt.prot: unknown key; did you mean 'port'?"),
        ("mqt.port=5", "mqt: unknown key; did you mean 'mqtt'?"),
        ("mqtt.port=high", "mqtt.port: 'high' is not a whole number"),
        ("cloud.url=ftp://x", "cloud.url: 'ftp://x' is not the dashboard's address without a path, such as https://dashboard.example"),
    ],
)
def test_an_override_that_cannot_be_is_told(tmp_path: Path, override: str, expected: str) -> None:
    assert expected in fault(tmp_path, TEXT, override)


def test_plain_text_to_another_machine_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="would be sent in plain text: use https"):
        load_config(written(tmp_path), ["cloud.url=http://dashboard.example", "cloud.token_file=token"])
    assert "set mqtt.ca_file" in load_config(written(tmp_path), ["mqtt.host=broker.example"]).mqtt.danger
    for override in ("mqtt.plaintext=true", "mqtt.ca_file=ca.pem", "mqtt.host=localhost", "mqtt.host='::1'"):
        assert load_config(written(tmp_path), ["mqtt.host=broker.example", override]).mqtt.danger == ""
