"""`wayside init --secure` and `wayside devices add`: from nothing to a receipt, over TLS 1.3 with certificates and the access list."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography import x509

from gateway.pki.enrolment import PORT
from gateway.pki.server import server_hosts
from tests.broker.test_shipped_broker import Client
from tests.commands.terminal import wayside
from tests.kit.broker import HOST, MosquittoBroker, free_port
from tests.kit.gateways import WAYSIDE, GatewayProcess, settings_of
from tests.kit.waiting import WAIT_S, until

OWN = "wayside/v1/shop"
CONSENT = {"v": 1, "boot": "b", "seq": 1, "at_ms": None, "purposes": ["presence", "offers"], "version": 1}


class Configured(MosquittoBroker):
    """Mosquitto with the file that the command wrote, at the port of this test."""

    def _write_config(self) -> Path:
        text = (self._folder / "mosquitto/conf.d/wayside.conf").read_text("utf-8")
        assert "listener 8883\n" in text
        text = text.replace("listener 8883\n", f"listener {self.port} {self.host}\n")
        path = self._folder / "here.conf"
        path.write_text(text + ("user root\n" if os.geteuid() == 0 else ""), "utf-8")
        return path


def _init(folder: Path) -> Path:
    (folder / "mosquitto/conf.d").mkdir(parents=True)
    places = ("--authority", folder / "authority", "--mosquitto", folder / "mosquitto", "--state", folder / "state")
    done = wayside("init", folder / "etc", "--secure", "--name", "shop", "--host", HOST, "--yes", *places)
    assert done.code == 0, done
    return folder / "etc" / "wayside.toml"


def test_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    settings = settings_of(_init(tmp_path))
    assert settings.mqtt.certificate_file == settings.mqtt.key_file == tmp_path / "state/tls/gw-1.pem"
    secret = [tmp_path / "authority/ca.key", tmp_path / "state/tls/gw-1.pem", tmp_path / "mosquitto/wayside/broker.pem"]
    assert [one.stat().st_mode & 0o777 for one in secret] == [0o600] * 3
    assert not list((tmp_path / "authority").glob("gw-1*"))
    assert "user gw-1" in (tmp_path / "mosquitto/wayside/access.acl").read_text()
    names = x509.load_pem_x509_certificate(secret[2].read_bytes()).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(one.value) for one in names] == [HOST, "localhost"]
    assert (tmp_path / "state/tls/authority.url").read_text() == f"https://{HOST}:{PORT}\n"
    assert server_hosts(tmp_path / "authority") == [HOST], "links to enrol name the same host"


def test_without_a_broker_the_way_out_is_named(tmp_path: Path) -> None:
    line = wayside("init", tmp_path / "etc", "--secure", "--mosquitto", tmp_path / "none", "--authority", tmp_path / "a").refusal(1)
    assert line == f"--secure: {tmp_path / 'none/conf.d'} does not exist: install the broker first: apt install mosquitto"
    assert not (tmp_path / "a").exists()


@pytest.mark.broker
@pytest.mark.soak
def test_a_phone_from_the_counter_is_heard(tmp_path: Path) -> None:
    config = _init(tmp_path)
    with ExitStack() as stack:
        broker = Configured(tmp_path)
        broker.start()
        stack.callback(broker.kill)
        config.write_text(config.read_text().replace("port = 8883", f"port = {broker.port}"))
        pki = tmp_path / "phone"
        _enrol("phone-1", tmp_path / "authority", pki)
        gateway = stack.enter_context(GatewayProcess(config))
        gateway.start()
        phone = Client(broker, pki, "phone-1")
        stack.callback(phone.close)
        assert phone.subscribed.wait(WAIT_S)
        phone.publish(f"{OWN}/up/phone-2/consent", json.dumps(CONSENT).encode())  # the access list drops it
        phone.publish(f"{OWN}/up/phone-1/consent", json.dumps(CONSENT).encode())
        until(lambda: [topic for topic in phone.received if topic.startswith(f"{OWN}/reply/phone-1/")])
        assert gateway.stop() == 0, gateway.stderr.read_text("utf-8")
    listed = json.loads(wayside("devices", "list", "--in", tmp_path / "authority", "--json").out)
    assert {one["name"]: one["state"] for one in listed} == dict.fromkeys(("authority", "broker", "gw-1", "phone-1"), "valid")
    assert "restart the broker" in wayside("devices", "revoke", "phone-1", "--in", tmp_path / "authority", "--broker", tmp_path).out
    assert (tmp_path / "crl.pem").read_bytes() == (tmp_path / "authority/crl.pem").read_bytes()


def _enrol(name: str, authority: Path, to: Path) -> None:
    """At the counter and on the phone."""
    words = [*WAYSIDE, "devices", "add", name, "--in", str(authority), "--host", HOST, "--port", str(free_port())]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as counter:
        assert counter.stdout is not None
        link = counter.stdout.readline().strip()
        done = wayside("pki", "enrol", link, "--to", to)
        assert done.code == 0, done
        assert counter.wait(WAIT_S) == 0
        assert counter.stdout.read().splitlines()[-1] == f"{name} is enrolled"
