"""Wrong configs, each a change of a right one: file and line, cause, and allowed or nearest values or the next step."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.commands.terminal import wayside
from tests.kit.gateways import write_config

END = "\n#end"  # of the config
CAFE = '[[zones]]\nid = "cafe"'
PORT = "port = 1883"
CENTRE = f"{CAFE}\nlatitude_deg = 52.5\nlongitude_deg = 13.4"
WRONG: tuple[tuple[str, str, str], ...] = (
    # --- names ---
    ('site = "street"', 'site = ""', r":1: site: '' is not an id: 1 to 64 lower-case letters, .*"),
    ('site = "street"', "site = 7", r":1: site: 7 is not text in quotes"),
    ('site = "street"\n', "", r": site: required, and absent: the site's name in topics"),
    ('"gw-t"', '"gw t"', r":2: gateway: 'gw t' is not an id: .*"),
    ("Europe/Berlin", "Europe/Berln", r":3: timezone: unknown time zone 'Europe/Berln'; write one such as Europe/Berlin"),
    ('id = "cafe"', 'id = "plaza"', r":26: zones.1.id: zone 'plaza' occurs twice; each zone must occur once"),
    ('kind = "coffee_house"', 'anchors = ["plaza"]', r":27: zones.1.anchors: anchor 'plaza' occurs twice; .*"),
    ('anchors = ["plaza"]', 'anchors = "plaza"', r":23: zones.0.anchors: 'plaza' is not a list: \[...\]"),
    # --- broker ---
    (PORT, "port = 0", r":7: mqtt.port: 0 is out of range: it is above 0"),
    (PORT, "port = 99999", r":7: mqtt.port: 99999 is out of range: it is below 65536"),
    (PORT, f'{PORT}\nhost = "mqtt://broker"', r":8: mqtt.host: 'mqtt://broker' is not the broker's name or address alone; .*"),
    (PORT, f'{PORT}\nhost = "broker:1883"', r":8: mqtt.host: 'broker:1883' has a port: write host = 'broker' and port = 1883"),
    (PORT, f'{PORT}\nhost = " broker"', r":8: mqtt.host: ' broker' is not the broker's name or address alone; .*"),
    (PORT, f'{PORT}\nhost = ""', r":8: mqtt.host: '' is not the broker's name or address alone; .*"),
    (PORT, f'{PORT}\nhost = "broker.example"', r":8: mqtt.host: 'broker.example' is another machine, .*: set mqtt.ca_file, or .*"),
    (PORT, f'{PORT}\npassword_file = "x"', r":6: mqtt: a password_file needs a username"),
    (PORT, f'{PORT}\nusername = "x"\npassword_file = "x"', r":9: mqtt.password_file: .*/x cannot be read \(No such file or directory\)"),
    (PORT, f'{PORT}\nca_file = "a.crt"', r":8: mqtt.ca_file: .*/a.crt cannot be read \(No such file or directory\)"),
    (PORT, f'{PORT}\ncertificate_file = "a.crt"', r":6: mqtt: certificate_file and key_file go together"),
    (PORT, f'{PORT}\nwebsocket_path = "mqtt"', r":8: mqtt.websocket_path: 'mqtt' is not a path such as /mqtt, for MQTT over websockets"),
    (PORT, f"{PORT}\nplaintext = True", r":8: not valid TOML: .*; write true or false, in lower case"),
    (PORT, "port = 01883", r":7: not valid TOML: .*; a number has no leading zero"),
    # --- files ---
    ('path = "gw-t.db"', 'path = "."', r":11: store.path: .* is a folder: name a file in it, such as .*/wayside.db"),
    ('path = "gw-t.db"', 'path = "no/x.db"', r":11: store.path: the folder .*/no does not exist: make it, or name another one"),
    ("tiny.bundle", "none.bundle", r":15: bundle.path: .*/none.bundle: not_a_bundle: .*cannot be read .*; fetch the file again, .*"),
    ("tiny.bundle", "wayside.toml", r":15: bundle.path: .*/wayside.toml: not_a_bundle: not a whole zip file .*; fetch the file again, .*"),
    # --- places ---
    ("x_m = 120.0", "x_m = 1790000000000", r":28: zones.1.x_m: 1790000000000 is out of range: it is at most 100000"),
    ("x_m = 120.0", "x_m = 120,0", r":28: not valid TOML: .*; decimals have a point: 1.5"),
    (CAFE, CENTRE, r":25: zones.1: a centre needs a radius, .*: set radius_m, such as 30"),
    (CAFE, f"{CENTRE}\nradius_m = 1e9", r":29: zones.1.radius_m: 1000000000.0 is out of range: it is at most 100000"),
    (CAFE, f'{CAFE}\nlatitude_deg = "52,5"', r":27: zones.1.latitude_deg: '52,5' is not a number, with a point for decimals .*"),
    (CAFE, f"{CAFE}\npolygon = [[1, 1], [2, 2]]", r":27: zones.1.polygon: an outline needs at least 3 different corners, .*"),
    (CAFE, f"{CAFE}\npolygon = [[0, 0], [1, 1], [2, 2]]", r":27: zones.1.polygon: the corners lie on one line, .*: list the corners of .*"),
    (CAFE, f"{CAFE}\npolygon = [[0, 0], [1, 1], [1, 0], [0, 1]]", r":27: zones.1.polygon: the outline crosses itself: list the corners .*"),
    (
        CAFE,
        f"{CAFE}\npolygon = [[113.4, 52], [1, 2], [2, 2]]",
        r":27: zones.1.polygon.0.0: 113.4 is .*corner is \[latitude, longitude\]",
    ),
    (CAFE, f'{CAFE}\nopening_hours = "Mo-Fr 9-18"', r":27: zones.1.opening_hours: 'Mo-Fr 9-18': write times as 08:00-18:00 .*"),
    # --- sources and devices ---
    ("espresense/#", "espresense/#/x", r":34: sources.1: 'espresense/#/x' is not an MQTT topic filter .*"),
    ('"espresense"\n', '"espresence"\n', r":34: sources.1: no decoder is called 'espresence'; did you mean espresense\?"),
    ('decoder = "espresense"\n', "", r":34: sources.1: a source has either a decoder or a mapping"),
    ('zone = "cafe", kind', 'zone = "coffe", kind', r":42: devices.till-cafe: 'till-cafe' is in zone 'coffe', .*; did you mean 'cafe'\?"),
    ('{ zone = "cafe", kind = "till" }', "3", r":42: devices.till-cafe: 3 is not a table: \{ name = value \}"),
    # --- numbers and dates ---
    ("dwell_s = 600", 'dwell_s = "600s"', r":19: presence.dwell_s: '600s' is not a number, .*without a unit"),
    ("dwell_s = 600", "dwell_s = 600\nenter_dbm = 75", r":20: presence.enter_dbm: 75 is out of range: it is at most 0"),
    ('site = "street"', 'holidays = ["25.12.2026"]\nsite = "street"', r":1: holidays.0: '25.12.2026' is no date: .*, such as 2026-12-25"),
    (END, "\n[retention]\nvisits_days = 0\n", r":\d+: retention.visits_days: 0 is out of range: it is at least 3"),
    (
        END,
        '\n[cloud]\nurl = "https://a.example/api"\ntoken_file = "t"\n',
        r":\d+: cloud.url: .* is not .*address without a path, .*",
    ),
    (END, '\n[metrics]\nhost = "0.0.0.0"\n', r":\d+: metrics: host '0.0.0.0' can be reached from the network, .*: set certificate_file .*"),
    # --- notation ---
    ('site = "street"', "site = \u201cstreet\u201d", r":1: not valid TOML: .*; texts stand in straight quotes: name = \"value\""),
    ('site = "street"', 'site = "street"\nsite = "mall"', r":2: not valid TOML: .*; it occurs a second time: keep one; .*"),
    ('[[zones]]\nid = "plaza"', '[zones]\nid = "plaza"', r":25: not valid TOML: .*\[\[name\]\] begins the next entry of a list, .*"),
)
"""Part of the config, its replacement, and the error after the file's name."""

WARNED: tuple[tuple[str, str, str], ...] = (
    ("espresense/#", " espresense/#", r":35: sources.1.topic: ' espresense/#' begins or ends with a blank, which belongs to the topic"),
    (
        '"espresense/#"',
        '"wayside/v1/street/up/+/+"',
        r":35: sources.1.topic: sources.0 has the topic .* too, and takes all .*",
    ),
    ("wayside/v1/street", "wayside/v1/mall", r":31: sources.0.topic: 'wayside/v1/mall/up/\+/\+' is of another site than 'street', .*"),
)
"""As WRONG, for configs that are accepted."""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path, more=END)


def test_every_wrong_config_is_explained(config: Path) -> None:
    right, misses = config.read_text("utf-8"), []
    for before, after, expected in WRONG:
        assert before in right
        config.write_text(right.replace(before, after, 1), "utf-8")
        found = wayside("check", "--config", config)
        if found.code == 0 or re.fullmatch(f"wayside: {re.escape(str(config))}{expected}\n", found.err) is None:
            misses.append((after, found.code, found.err, expected))
    assert misses == []


def test_suspicious_configs_are_warned_of(config: Path) -> None:
    right = config.read_text("utf-8")
    for before, after, expected in WARNED:
        config.write_text(right.replace(before, after, 1), "utf-8")
        found = wayside("check", "--config", config)
        assert (found.code, bool(re.search(f"wayside: {re.escape(str(config))}{expected}\n", found.err))) == (0, True), found
    config.write_text(right, "utf-8")
    assert wayside("check", "--config", config).err == ""
