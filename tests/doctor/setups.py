"""Broken set-ups, each with the code of its true cause. Each breaks one thing of a set-up that works."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

import pytest

from gateway.adapters.clock import SystemClock
from gateway.build import build
from gateway.build_store import SetupError
from gateway.core.learning.explore import in_holdout
from gateway.core.types import Message
from gateway.pki.certificates import Authority, create
from gateway.runtime import echo
from tests.doctor.bench import Bench, Setup
from tests.kit.bundles import STRANGER, YEAR_2026_MS, make_bundle, tiny_campaign
from tests.kit.gateways import TAG, message, settings_of, store_of, walk_in
from tests.kit.waiting import until

SETUPS: dict[str, tuple[Setup, str]] = {}
"""Name -> the set-up, and the code that `wayside doctor` must name first."""


def _cause(code: str) -> Callable[[Setup], Setup]:
    def note(setup: Setup) -> Setup:
        SETUPS[setup.__name__] = (setup, code)
        return setup

    return note


def _heard(anchor: str, rssi: float = -60.0) -> Message:
    return Message(f"espresense/devices/{TAG}/{anchor}", json.dumps({"id": TAG, "rssi": rssi, "distance": 2.0}).encode(), 0)


def _tls_lines(bench: Bench, host: str = "127.0.0.1", *, client: bool = False, days: int = 100) -> tuple[str, ...]:
    """Lines of a broker with TLS, whose authority is in the folder `pki`."""
    now = datetime.now(UTC).replace(microsecond=0)
    pki = bench.folder / "pki"
    create(pki, "street", now)
    authority = Authority(pki)
    authority.issue("broker", now, [host], 100)
    authority.issue("gw-t", now - timedelta(days=10), (), days)
    asks = (f"cafile {pki}/ca.crt", "require_certificate true") if client else ()
    return (f"certfile {pki}/broker.crt", f"keyfile {pki}/broker.key", *asks)


CA = '[mqtt]\nca_file = "pki/ca.crt"'
CLIENT = f'{CA}\ncertificate_file = "pki/gw-t.crt"\nkey_file = "pki/gw-t.key"'


@_cause("broker_refused")
def tcp_refused(bench: Bench) -> Path:
    return bench.config()


@_cause("broker_name")
def unknown_host(bench: Bench) -> Path:
    return bench.config(replace=("[mqtt]", '[mqtt]\nplaintext = true\nhost = "no-such-broker.invalid"'))


@_cause("broker_login")
def wrong_password(bench: Bench) -> Path:
    passwords = bench.folder / "passwords"
    passwords.write_text("gw-t:$7$101$wrong$wrong\n", "utf-8")
    bench.broker("allow_anonymous false", f"password_file {passwords}")
    (bench.folder / "secret").write_text("no", "utf-8")
    config = bench.config(replace=("[mqtt]", '[mqtt]\nusername = "gw-t"\npassword_file = "secret"'))
    bench.gateway(config)
    return config


@_cause("broker_login")
def no_login(bench: Bench) -> Path:
    bench.broker("allow_anonymous false")
    return bench.config()


@_cause("broker_wants_tls")
def plain_to_tls(bench: Bench) -> Path:
    bench.broker(*_tls_lines(bench))
    config = bench.config()
    bench.gateway(config)
    return config


@_cause("broker_lacks_tls")
def tls_to_plain(bench: Bench) -> Path:
    _tls_lines(bench)
    bench.broker()
    return bench.config(replace=("[mqtt]", CA))


@_cause("broker_tls_name")
def tls_name(bench: Bench) -> Path:
    bench.broker(*_tls_lines(bench, "broker.example"))
    config = bench.config(replace=("[mqtt]", CA))
    bench.gateway(config)
    return config


@_cause("broker_tls_authority")
def other_authority(bench: Bench) -> Path:
    bench.broker(*_tls_lines(bench))
    _tls_lines(bench.beside("other"))
    return bench.config(replace=("[mqtt]", '[mqtt]\nca_file = "other/pki/ca.crt"'))


@_cause("broker_tls_client")
def no_client_certificate(bench: Bench) -> Path:
    bench.broker(*_tls_lines(bench, client=True))
    config = bench.config(replace=("[mqtt]", CA))
    bench.gateway(config)
    return config


@_cause("certificate_expired")
def certificate_expired(bench: Bench) -> Path:
    bench.broker(*_tls_lines(bench, client=True, days=5))
    return bench.config(replace=("[mqtt]", CLIENT))


@_cause("certificate")
def ca_is_no_pem(bench: Bench) -> Path:
    (bench.folder / "ca.crt").write_bytes(bytes(range(256)))
    return bench.config(replace=("[mqtt]", '[mqtt]\nca_file = "ca.crt"'))


@_cause("topics_unmatched")
def wrong_topic_filter(bench: Bench) -> Path:
    bench.broker()
    config = bench.config(replace=("espresense/#", "espresence/#"))
    bench.flow(config, *walk_in()[:1])
    bench.publish_always(_heard("plaza"))
    return config


@_cause("topics_unmatched")
def wrong_site(bench: Bench) -> Path:
    bench.broker()
    config = bench.config(replace=('decoder = "wayside_v1"', 'decoder = "wayside_v1"'))
    config.write_text(
        config.read_text("utf-8").replace("wayside/v1/street/up", "wayside/v1/strasse/up").replace("espresense/#", "espresence/#")
    )
    bench.gateway(config)
    bench.publish_always(_heard("plaza"))
    return config


@_cause("no_messages")
def nothing_publishes(bench: Bench) -> Path:
    bench.broker()
    config = bench.config()
    bench.gateway(config)
    return config


@_cause("no_messages")
def access_list_denies(bench: Bench) -> Path:
    rules = bench.folder / "rules.acl"
    rules.write_text("topic write #\n", "utf-8")
    bench.broker(f"acl_file {rules}")
    config = bench.config()
    bench.gateway(config)
    bench.publish_always(*walk_in())
    return config


@_cause("refused")
def wrong_decoder(bench: Bench) -> Path:
    bench.broker()
    config = bench.config(
        replace=('topic = "espresense/#"\ndecoder = "espresense"', 'topic = "espresense/#"\ndecoder = "minew_gateway_json"')
    )
    bench.flow(config, _heard("plaza"))
    return config


@_cause("refused")
def cut_off_payloads(bench: Bench) -> Path:
    bench.broker()
    config = bench.config()
    bench.flow(config, *(Message(one.topic, one.payload[:-3], 0) for one in walk_in()))
    return config


@_cause("unmapped")
def zone_without_name(bench: Bench) -> Path:
    bench.broker()
    config = bench.config()
    bench.flow(config, *[_heard("plaza2") for _ in range(6)])
    return config


@_cause("unmapped")
def zone_without_name_with_consent(bench: Bench) -> Path:
    bench.broker()
    config = bench.config()
    bench.flow(config, walk_in()[0], *[_heard("platza") for _ in range(4)])
    return config


@_cause("no_people")
def no_consent(bench: Bench) -> Path:
    bench.broker()
    config = bench.config()
    bench.flow(config, *[_heard("plaza") for _ in range(4)])
    return config


@_cause("silent_no_consent")
def consent_without_offers(bench: Bench) -> Path:
    bench.broker()
    config = bench.config()
    consent = message("phone-0001", "consent", 1, purposes=["presence"], version=1)
    app = bench.flow(config, consent, *walk_in()[1:])
    until(lambda: app.counters.reasons)
    return config


@_cause("no_visits")
def weak_levels(bench: Bench) -> Path:
    bench.broker()
    config = bench.config()
    weak = [message("phone-0001", "sighting", seq, heard=[{"id": "plaza", "rssi": -97}]) for seq in (2, 3, 4)]
    bench.flow(config, walk_in()[0], *weak)
    return config


def _silent(bench: Bench, **policy: object) -> Path:
    bench.broker()
    config = bench.config(**policy)  # type: ignore[arg-type]
    app = bench.flow(config)
    until(lambda: app.counters.reasons)
    return config


@_cause("silent_quiet_hours")
def quiet_hours(bench: Bench) -> Path:
    return _silent(bench, quiet_from=0, quiet_until=1439) if time.gmtime().tm_min != 58 else _silent(bench, quiet_from=5, quiet_until=4)


@_cause("silent_cap_person_day")
def cap_reached(bench: Bench) -> Path:
    return _silent(bench, per_person_day_max=0)


@_cause("silent_held_out")
def holdout(bench: Bench) -> Path:
    salt = next(f"salt-{number}" for number in range(99) if in_holdout(f"salt-{number}", "phone-0001", 0.5))
    bench.broker()
    config = bench.config(replace=('site = "street"', f'site = "street"\nholdout_salt = "{salt}"'), holdout=0.5)
    app = bench.flow(config)
    until(lambda: app.counters.reasons)
    return config


@_cause("silent_not_worth_it")
def margin_below_cost(bench: Bench) -> Path:
    return _silent(bench, contact_cost_minor=490.0)


@_cause("bundle")
def bundle_missing(bench: Bench) -> Path:
    bench.broker()
    config = bench.config()
    (bench.folder / "tiny.bundle").unlink()
    return config


@_cause("bundle")
def bundle_of_a_stranger(bench: Bench) -> Path:
    bench.broker()
    return bench.config(make_bundle(bench.folder, signed_by=STRANGER))


@_cause("bundle_expired")
def bundle_expired(bench: Bench) -> Path:
    bench.broker()
    config = bench.config(make_bundle(bench.folder, tiny_campaign(holdout=0.0), expires_at_ms=YEAR_2026_MS + 1))
    app = bench.flow(config)
    until(lambda: app.counters.reasons)
    return config


@_cause("disk_full")
def disk_full(bench: Bench) -> Path:
    bench.broker()
    config = bench.config()
    app = bench.gateway(config)
    database = store_of(app)._db
    app.mailbox.call(lambda _: database.pragma("max_page_count", int(database.pragma("page_count")))).result()
    bench.publish_always(*(message(f"phone-{number:04}", "consent", 1, purposes=["offers"], version=1) for number in range(200)))
    until(lambda: app.latest.state == "holding")
    return config


@_cause("clock")
def clock_of_1970(bench: Bench) -> Path:
    bench.patch.setattr(SystemClock, "_wall_ms", staticmethod(lambda: time.time_ns() // 1_000_000 % 86_400_000))
    bench.broker()
    config = bench.config()
    bench.flow(config)
    return config


@_cause("config")
def mistyped_setting(bench: Bench) -> Path:
    return bench.config(replace=("dwell_s", "dwel_s"))


@_cause("not_running")
def not_started(bench: Bench) -> Path:
    bench.broker()
    return bench.config()


@_cause("connection_cut_off")
def two_of_one_name(bench: Bench) -> Path:
    bench.broker()
    config = bench.config()
    app = bench.gateway(config)
    twin = bench.beside("twin")
    bench.gateway(twin.config())
    until(lambda: app.bus.link().connects >= 3)
    return config


@_cause("cloud")
def cloud_away(bench: Bench) -> Path:
    bench.broker()
    (bench.folder / "token").write_text("secret", "utf-8")
    config = bench.config(more='\n[cloud]\nurl = "http://127.0.0.1:9"\ntoken_file = "token"\ninterval_s = 0.1\n')
    config.write_text(config.read_text("utf-8").replace("[presence]", "[privacy]\nwindow_s = 1\ndemonstration = true\n\n[presence]"))
    app = bench.flow(config)
    until(lambda: app.uplink is not None and app.uplink.trouble and app.triggers.sent)
    return config


@_cause("other_speaker")
def foreign_names(bench: Bench) -> Path:
    bench.broker()
    config = bench.config()
    forged = [Message(one.topic.replace("phone-0001", "plaza"), one.payload, 0) for one in walk_in()[1:]]  # the name of a scanner
    bench.flow(config, walk_in()[0], *forged)
    return config


@_cause("retained")
def retained_sightings(bench: Bench) -> Path:
    bench.broker()
    config = bench.config()
    bench.end(bench.flow(config, walk_in()[0]))
    bench.publish(*walk_in()[1:], retain=True)
    app = bench.gateway(config)
    until(lambda: app.counters.counts["messages"])
    return config


@_cause("broker_denies")
def access_list_without_the_gateway(bench: Bench) -> Path:
    """Mosquitto 2.0 grants each subscription, and delivers nothing: only the echo shows it."""
    listed = bench.folder / "access.acl"
    listed.write_text("topic read nothing\n", "utf-8")
    bench.patch.setattr(import_module("gateway.commands.doctor.diagnose"), "ECHO_LOST_MS", 1)
    bench.patch.setattr(echo, "EVERY_MS", 50)
    bench.broker(f"acl_file {listed}")
    config = bench.config()
    app = bench.gateway(config)
    until(lambda: app.latest.round_trip_ms)
    return config


@_cause("key")
def key_that_was_deleted(bench: Bench) -> Path:
    """The start makes no new key in its place."""
    bench.broker()
    config = bench.config()
    bench.end(bench.gateway(config))
    (bench.folder / "gw-t.key").unlink()
    with pytest.raises(SetupError, match=r"gw-t.key does not exist, and .*gw-t.db cannot be read without it: restore it from a backup"):
        build(settings_of(config))
    return config


@_cause("key")
def key_of_another_gateway(bench: Bench) -> Path:
    bench.broker()
    config = bench.config()
    bench.end(bench.gateway(config))
    (bench.folder / "gw-t.key").write_text(f"{7:064x}\n", "utf-8")
    return config


@_cause("unmapped")
def beacon_of_phones_misspelt(bench: Bench) -> Path:
    bench.broker()
    config = bench.config(replace=('anchors = ["plaza"]', 'anchors = ["piazza"]'))
    bench.flow(config)
    return config


@_cause("gateway_double")
def two_gateways_of_one_name(bench: Bench) -> Path:
    """Made on two machines, so that their client ids differ and both are connected."""
    bench.patch.setattr(echo, "EVERY_MS", 50)
    bench.broker()
    config, other = bench.config(), bench.beside("other")
    second = other.config()
    (other.folder / "tags.secret").write_text("the secret of another machine, long enough", "utf-8")
    app = bench.gateway(config)
    other.gateway(second)
    until(lambda: app.latest.trouble)
    return config
