"""Inputs that misled newcomers: each is one line with the place, the cause and the way out, or is taken as it was meant."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.pki.certificates import Authority, create
from tests.commands.terminal import wayside
from tests.kit.broker import HOST, MosquittoBroker, mosquitto
from tests.kit.gateways import write_config

Edit = Callable[[str], str]
CAFE = '[[zones]]\nid = "cafe"'


def _with(more: str, at: str = "[[zones]]") -> Edit:
    """Lines before the first table of this name, or at the start of the cafe."""
    return lambda text: text.replace(at, f"{more}\n\n{at}" if at == "[[zones]]" else f"{at}\n{more}", 1)


def _zone(more: str) -> Edit:
    return _with(more, CAFE)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path)


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda text: text.replace('"street"', "Street", 1), r":1: not valid TOML: Invalid value in column 8 of 'site = Street'; texts"),
        (lambda text: "{" + text, r":1: not valid TOML: .*; TOML, not JSON, is expected"),
        (lambda text: text.replace('"street"', '"My Street"', 1), r":1: site: 'My Street' is not an id: 1 to 64 lower-case letters"),
        (lambda text: text.replace("\n[mqtt]", '\nlog_leve = "info"\n[mqtt]', 1), r":\d+: log_leve: unknown key; did you mean 'log_level'"),
        (lambda text: "holidays = [1790000000000]\n" + text, r":1: holidays.0: 1790000000000 is no date: .* such as 2026-12-25"),
        (lambda text: text + '\n[page]\noperator = "x"\naddress = "example.com"\n', r":\d+: page.address: 'example.com' is not the page"),
        (lambda text: text + "\n[retention]\nvisits_days = 1790000000000\n", r":\d+: retention.visits_days: .* to 800, not 1790000000000"),
        (lambda text: text + "\n[mqtt.x]\n", r":\d+: mqtt.x: unknown key"),
        (_zone("latitude_deg = 52.5\nlongitude_deg = 13.4"), r":\d+: zones.1: a centre needs a radius, .*: set radius_m, such as 30"),
        (_zone("latitude_deg = 113.4\nlongitude_deg = 52.5\nradius_m = 30"), r":\d+: zones.1.latitude_deg: .* equal to 90, not 113.4"),
        (_zone("polygon = [[0, 0], [1, 1], [1, 0], [0, 1]]"), r":\d+: zones.1.polygon: the outline crosses itself: list the corners"),
    ],
    ids=["no quotes", "JSON", "id", "key", "epoch", "pattern", "days", "table", "no radius", "swapped range", "crossing"],
)  # fmt: skip
def test_a_setting(edit: Edit, expected: str, config: Path) -> None:
    config.write_text(edit(config.read_text("utf-8")), "utf-8")
    assert re.match(re.escape(str(config)) + expected, line := wayside("check", "--config", config).refusal(2)), line


@pytest.mark.parametrize("edit", [lambda body: b"\xef\xbb\xbf" + body, lambda body: body.replace(b"\n", b"\r\n")], ids=["BOM", "CRLF"])
def test_marks_of_other_editors_are_taken(edit: Callable[[bytes], bytes], config: Path) -> None:
    config.write_bytes(edit(config.read_bytes()))
    assert wayside("check", "--config", config).code == 0


def test_latin_1_and_utf_16_are_named(config: Path) -> None:
    text = config.read_text("utf-8").replace('"cafe"', '"café"')
    config.write_bytes(text.encode("latin-1"))
    line = next(number for number, one in enumerate(text.splitlines(), 1) if "café" in one)
    assert (
        wayside("check", "--config", config).refusal(2) == f"{config}:{line}: a character is not UTF-8 (byte 0xe9); save the file as UTF-8"
    )
    config.write_bytes(text.encode("utf-16"))
    assert wayside("check", "--config", config).refusal(2) == f"{config}: the file is UTF-16; save it as UTF-8"


@pytest.mark.parametrize("setting", ["claims.secret_file", "cloud.token_file", "mqtt.password_file"])
def test_a_secret_in_latin_1(setting: str, config: Path) -> None:
    file = config.with_name("secret")
    file.write_bytes("café-café-café-café".encode("latin-1"))
    words = ["--set", f"{setting}={file}", *(("--set", "cloud.url=https://a.example") if setting.startswith("cloud") else ())]
    assert wayside("check", "--config", config, *words).refusal(1) == f"{setting}: {file} is not UTF-8 (byte 0xe9); save it as UTF-8"


def test_a_campaign_with_a_moment_as_number_and_a_name_as_id(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[2] / "deploy/worlds/street/campaign.toml"
    campaign = tmp_path / "campaign.toml"
    text = shipped.read_text("utf-8")
    campaign.write_text(re.sub(r"^starts = .*$", "starts = 1790000000000", text, count=1, flags=re.MULTILINE), "utf-8")
    assert "offers[0].starts: 1790000000000 is a number: a moment is written as a date" in wayside("check", "--campaign", campaign).refusal(
        1
    )
    campaign.write_text(text.replace('id = "flat-white"', 'id = "Flat White"', 1), "utf-8")
    assert "offers[0].id: 'Flat White' is not an id: 1 to 64 lower-case letters" in wayside("check", "--campaign", campaign).refusal(1)


def test_zones_that_overlap_or_are_exchanged_are_warnings(config: Path) -> None:
    text = _zone("latitude_deg = 13.405\nlongitude_deg = 52.52\nradius_m = 30")(config.read_text("utf-8"))
    bar = '[[zones]]\nid = "bar"\npolygon = [[13.4049, 52.5199], [13.4049, 52.5201], [13.4051, 52.5200]]\n\n'
    config.write_text(text.replace("[[sources]]", bar + "[[sources]]", 1), "utf-8")
    found = wayside("check", "--config", config)
    assert found.code == 0
    assert re.search(r"wayside\.toml:\d+: zones\.2: 'bar' overlaps 'cafe': a position in both counts for both", found.err)
    assert len(re.findall("latitude and longitude exchanged: the latitude stands first", found.err)) == 2
    config.write_text(_zone("latitude_deg = 52.52\nlongitude_deg = 13.405\nradius_m = 30")(write_config(config.parent).read_text("utf-8")))
    assert wayside("check", "--config", config).err == ""


def test_filters_that_share_some_topics_are_a_warning(config: Path) -> None:
    """The broker delivers a message of such a topic twice. A filter that another one covers is left out without a warning."""
    more = '[[sources]]\ntopic = "espresense/{}"\ndecoder = "espresense"\n\n'
    text = config.read_text("utf-8").replace("espresense/#", "espresense/devices/+/plaza")
    config.write_text(text + more.format("devices/beacon/+"), "utf-8")
    twice = "topics that match both 'espresense/devices/+/plaza' and 'espresense/devices/beacon/+' arrive twice: narrow one of them"
    assert twice in wayside("check", "--config", config).err
    config.write_text(text + more.format("#"), "utf-8")
    assert "arrive twice" not in wayside("check", "--config", config).err


@pytest.fixture
def pki(config: Path) -> Path:
    folder, now = config.with_name("pki"), datetime.now(UTC).replace(microsecond=0)
    create(folder, "street", now)
    for name in ("gw-t", "other"):
        Authority(folder).issue(name, now, ["broker.example"], 100)
    return folder


def _certificates(config: Path, **files: Path) -> str:
    return wayside(
        "check", "--config", config, *(word for name, path in files.items() for word in ("--set", f"mqtt.{name}={path}"))
    ).refusal(1)


def test_certificate_files_that_are_none(config: Path, pki: Path) -> None:
    junk, der = config.with_name("junk.pem"), config.with_name("ca.der")
    junk.write_text("no certificate", "utf-8")
    der.write_bytes(ssl.PEM_cert_to_DER_cert((pki / "ca.crt").read_text("ascii")))
    assert _certificates(config, ca_file=junk).endswith(f"{junk} holds no certificate in PEM (a line with -----BEGIN CERTIFICATE-----)")
    assert "it may be DER: openssl x509 -inform der" in _certificates(config, ca_file=der)
    assert f"{pki}/no.crt cannot be read (No such file or directory)" in _certificates(config, ca_file=pki / "no.crt")
    ca, own, key = pki / "ca.crt", pki / "gw-t.crt", pki / "other.key"
    assert f"{key} is not the key of {own}" in _certificates(config, ca_file=ca, certificate_file=own, key_file=key)
    assert "certificate_file and key_file go together" in _certificates(config, ca_file=ca, certificate_file=own)


@pytest.mark.broker
def test_plain_to_tls_and_back_and_another_name(config: Path, pki: Path, tmp_path: Path) -> None:
    lines = (f"certfile {pki}/gw-t.crt", f"keyfile {pki}/gw-t.key")
    with mosquitto(tmp_path, lines=lines) as secure:
        place = f"{HOST}:{secure.port}"
        assert "speaks TLS on this port, and the connection is plain: write mqtts://" in _discovered(f"mqtt://{place}")
        named = _discovered(f"mqtts://{place}", "--ca-file", str(pki / "ca.crt"))
        assert "is for another name (IP address mismatch" in named
        assert "is not from the authority in --ca-file" in _discovered(f"mqtts://{place}")
    with mosquitto(tmp_path) as plain:
        assert "speaks no TLS on this port" in (line := _discovered(f"mqtts://{HOST}:{plain.port}")), line
        assert line.endswith("write mqtt://")
        _ends_with(config, plain, f"mqtt.ca_file={pki / 'ca.crt'}", "remove mqtt.ca_file, or correct mqtt.port (usually 8883 with TLS)")


def _discovered(broker: str, *words: str) -> str:
    return wayside("discover", "--broker", broker, "--seconds", "0.25", *words).refusal(1)


def _ends_with(config: Path, broker: MosquittoBroker, setting: str, end: str) -> None:
    """`wayside run` gives up with this text."""
    words = [f"mqtt.port={broker.port}", "mqtt.first_connect_s=0.5", setting]
    assert wayside("run", "--config", config, *(word for one in words for word in ("--set", one))).err.splitlines()[-1].endswith(end)
