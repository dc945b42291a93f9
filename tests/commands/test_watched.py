"""No command writes outside of its folder or opens a connection that neither config nor command line names."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gateway.build import build
from gateway.cli import COMMANDS
from tests.kit import watched
from tests.kit.broker import free_port
from tests.kit.gateways import settings_of, walk_in, write_config

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="seccomp is of Linux")

LOCAL = {
    "check": "check --config wayside.toml",
    "decode": "decode --list",
    "acl": "acl wayside.toml",
    "pki": "pki init pki --site mall",
    "devices": "devices list --in pki",
    "tags": "tags E3:75:CF:00:BE:EF --config wayside.toml",
    "page": "page --config wayside.toml",
    "subject": "subject list --as anna --config wayside.toml",
    "till": "till 04ABC --key absent.pub --shop cafe",
    "status": "status --config wayside.toml",
    "watch": "watch --config wayside.toml --times 1 --interval 0.1",
    "why": "why --reasons",
    "results": "results --config wayside.toml --html results.html",
    "what-if": "what-if --campaign absent.toml --config wayside.toml",
    "bundle": "bundle verify tiny.bundle --config wayside.toml",
    "privacy": "privacy sheet --config wayside.toml --html sheet.html",
    "backup": "backup one.backup --config wayside.toml --passphrase-file passphrase",
    "restore": "restore one.backup --check --passphrase-file passphrase",
    "release": "release init repository --keys keys",
    "history": "history export --config wayside.toml --out history --format csv",
}
"""Command lines that need no network at all."""
TO_A_BROKER = {
    "run": "run --config wayside.toml --set mqtt.first_connect_s=1 --set mqtt.port={port}",
    "doctor": "doctor --config wayside.toml --seconds 0.1 --set mqtt.port={port}",
    "init": "init made --broker mqtt://127.0.0.1:{port}",
    "discover": "discover --broker mqtt://127.0.0.1:{port} --seconds 1",
    "replay": "replay absent.jsonl --broker mqtt://127.0.0.1:{port}",
    "calibrate": "calibrate --config wayside.toml --broker mqtt://127.0.0.1:{port} --tag e375cf000001 --mark plaza=1 --mark plaza=4",
    "update": "update --from http://127.0.0.1:{port} --root program",
    "incident": "incident end --broker mqtt://127.0.0.1:{port} --site street --desk desk-1 --zone plaza",
}
OWN_PARTS = {"demo", "bench"}
"""They start brokers and gateways of their own on this machine; `tests/broker/test_demo.py` runs them."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gateway's folder with a database that holds a decision."""
    made = tmp_path_factory.mktemp("gateway")
    config = write_config(made)
    built = build(settings_of(config))
    for one in walk_in():
        built.mailbox.deliver([one])
        built.turn(0.0)
    built.store.close()
    (made / "passphrase").write_text("a passphrase of tests", "utf-8")
    config.write_text(config.read_text("utf-8") + '\n[page]\noperator = "the mall"\nport = 0\n', "utf-8")
    return made


def test_every_command_is_watched() -> None:
    assert {*LOCAL, *TO_A_BROKER, *OWN_PARTS} == set(COMMANDS)


def test_commands_of_this_machine_open_no_connection(folder: Path) -> None:
    seen = watched.run(list(LOCAL.values()), folder)
    assert seen.broken == []
    assert dict(zip(LOCAL, seen.codes, strict=True)) == {
        **dict.fromkeys(LOCAL, 0),
        "subject": 2,
        "status": 1,
        "till": 2,
        "what-if": 1,
    }
    assert "Traceback" not in seen.text


def test_commands_with_a_broker_connect_to_nothing_else(folder: Path) -> None:
    port = free_port()
    seen = watched.run([line.format(port=port) for line in TO_A_BROKER.values()], folder, peers=[port])
    assert seen.broken == []
    assert set(seen.codes) <= {1, 2}, seen.text


def test_without_the_guard_the_model_runtime_writes_outside(folder: Path) -> None:
    port = free_port()
    seen = watched.run([TO_A_BROKER["run"].format(port=port)], folder, peers=[port], guarded=False)
    assert any("onnxruntime" in one for one in seen.broken), seen


def test_a_connection_and_a_write_are_noticed(folder: Path, tmp_path: Path) -> None:
    port, away = free_port(), tmp_path / "away"
    line = TO_A_BROKER["discover"].format(port=port)
    assert watched.run([line], folder).broken == [f"{line}: ended by signal 31, because it opened a network socket"]
    assert watched.run([line], folder, peers=[port + 1]).broken == [f"{line}: connected to ('127.0.0.1', {port})"]
    assert watched.run([f"pki init {away} --site mall"], folder).broken[0].startswith(f"pki init {away} --site mall: wrote {away}")
