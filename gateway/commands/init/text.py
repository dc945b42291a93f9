"""The text of a new config, with comments for the operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import msgspec

from gateway.build_store import SetupError
from gateway.commands.broker import PORTS

if TYPE_CHECKING:
    from gateway.commands.discover.findings import Findings
    from gateway.commands.init.start import Start

_PLACE = ("kind", "transit", "x_m", "y_m")
CLOSE = 0.75


class Answers(NamedTuple):
    """The answers of the operator; `pair_file` holds the gateway's certificate and key."""

    site: str
    gateway: str
    timezone: str
    broker: str = ""
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    plaintext: bool = False
    pair_file: Path | None = None


def assigned(start: Start, scanners: Sequence[str], stated: Mapping[str, str]) -> dict[str, str]:
    """Scanner -> zone: as stated, else by the anchors of the starting point, else by a similar name, else the next zone without one.

    Raises SetupError if there are more scanners than zones.
    """
    own = {anchor: zone["id"] for zone in start.table["zones"] for anchor in zone.get("anchors", ())}
    found = {**stated}
    for scanner in (one for one in scanners if one not in stated):
        close = get_close_matches(scanner, start.zone_ids, n=1, cutoff=CLOSE)
        if scanner in own or close:
            found[scanner] = own[scanner] if scanner in own else close[0]
    for scanner in (one for one in scanners if one not in found):
        free = next((zone for zone in start.zone_ids if zone not in found.values()), None)
        if free is None:
            raise SetupError(f"scanner {scanner!r} finds no zone without a scanner: name its zone with --zone ZONE={scanner}")
        found[scanner] = free
    return found


def config_text(start: Start, answers: Answers, heard: Findings, zones: Mapping[str, str], state: str = "") -> str:
    """The config as TOML; without scanners that were heard, the starting point's anchors and sources stay.

    `state` is the folder of bundle, database and keys with a slash, or empty for that of the config.
    """
    lines = [
        "# Made by `wayside init`. Every setting with its default and meaning stands in gateway/SETTINGS.md.",
        "# `wayside check` validates this file, and `wayside doctor` finds the cause if no offer arrives.",
        f"site = {_text(answers.site)}  # the site's name in topics: wayside/v1/{answers.site}/up/DEVICE/KIND",
        f"gateway = {_text(answers.gateway)}  # another name for each gateway of the site",
        f"timezone = {_text(answers.timezone)}",
        "",
        *_mqtt_lines(answers),
        "[bundle]  # model, offers and contact policy in one signed file",
        f"path = {_text(state + next(one.name for one in start.files if one.suffix == '.bundle'))}",
        f"trusted_keys = [{_text(state + 'bundle.pub')}]",
        "",
        "[store]  # made at the first start; the key is needed to read the database",
        f"path = {_text(f'{state}wayside.db')}",
        f"key_file = {_text(f'{state}database.key')}",
        "",
        "[claims]  # codes that are issued with tags (wayside tags); the secret is made at the first start",
        f"secret_file = {_text(state + 'tags.secret')}",
        "",
        *_zone_lines(start, zones),
        *_source_lines(start, answers, heard),
        *_device_lines(start, heard),
    ]
    return "\n".join(lines) + "\n"


def _mqtt_lines(answers: Answers) -> list[str]:
    address = urlsplit(answers.broker)
    lines = ["[mqtt]", f"host = {_text(address.hostname or '')}", f"port = {address.port or PORTS[address.scheme]}"]
    if answers.username is not None:
        lines.append(f"username = {_text(answers.username)}")
    files = {
        "password_file": answers.password_file,
        "ca_file": answers.ca_file,
        "certificate_file": answers.pair_file,
        "key_file": answers.pair_file,
    }
    lines += [f"{name} = {_text(str(path.resolve()))}" for name, path in files.items() if path is not None]
    if answers.plaintext:
        lines.append("plaintext = true  # passwords and messages can be read by others on the network")
    return [*lines, ""]


def _zone_lines(start: Start, zones: Mapping[str, str]) -> list[str]:
    lines = []
    for zone in start.table["zones"]:
        anchors = [scanner for scanner, of in zones.items() if of == zone["id"]] if zones else zone.get("anchors", [])
        lines += ["[[zones]]", f"id = {_text(zone['id'])}"]
        lines += [f"{name} = {_text(zone[name])}" for name in _PLACE if name in zone]
        lines += [f"anchors = {_text(list(anchors))}" if anchors else "# anchors = []  # the scanner or beacon of this zone", ""]
    return lines


def _source_lines(start: Start, answers: Answers, heard: Findings) -> list[str]:
    own = (f"wayside/v1/{answers.site}/up/+/+", "wayside_v1")
    found = [one for one, _ in heard.messages.most_common() if not one[0].startswith("wayside/v1/")]
    if not heard.messages:
        found = [(one["topic"], one["decoder"]) for one in start.table["sources"] if one["decoder"] not in ("wayside_v1", "owntracks")]
    lines = []
    for topic, decoder in (own, *found):
        note = heard.evidence.get((topic, decoder))
        lines += [*([f"# {note}"] if note else []), "[[sources]]", f"topic = {_text(topic)}", f"decoder = {_text(decoder)}", ""]
    return lines


def _device_lines(start: Start, heard: Findings) -> list[str]:
    """The devices that were heard; those of the starting point have a place, others stand for the whole site."""
    known = {name: place for name, place in start.table["devices"].items() if not name.startswith("gw-")}
    found = {name: _place(known.get(name, "*"), kinds) for name, kinds in sorted(heard.devices.items())} if heard.messages else known
    return [
        "[devices]  # write the zone of each sensor and till; * is the whole site",
        *(f"{_text(n)} = {_inline(p)}" for n, p in found.items()),
    ]


def _place(known: object, kinds: set[str]) -> object:
    is_new_till = known == "*" and "purchase" in kinds
    return {"zone": "*", "kind": "till"} if is_new_till else known


def _inline(place: object) -> str:
    """A zone, or an inline table."""
    if isinstance(place, dict):
        return "{ " + ", ".join(f"{name} = {_text(value)}" for name, value in place.items()) + " }"
    return _text(place)


def _text(value: object) -> str:
    """A TOML value; for texts, numbers, flags and lists it is that of JSON."""
    return msgspec.json.encode(value).decode()
