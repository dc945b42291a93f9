"""The program, as a person or another program starts it."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError
from typer.testing import CliRunner, Result

from dashboard.cli import cli
from dashboard.settings import Settings, SettingsError, load_settings, store_place
from tests.web.seed import TOKENS, batch, bearer, hours, packed

PROGRAM = [sys.executable, "-m", "dashboard.cli"]


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "tokens.txt"
    file.write_text("# who may speak\n\n" + "".join(f"{gateway} {token}\n" for gateway, token in TOKENS.items()))
    return file


def run(*arguments: str | Path) -> Result:
    """Run a command that ends by itself, in this process: starting another costs a second."""
    return CliRunner().invoke(cli, list(map(str, arguments)))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_and_a_signal_ends_it_politely(number: signal.Signals, tmp_path: Path, token_file: Path) -> None:
    command = [*PROGRAM, "serve", "--port", "0", "--store", str(tmp_path / "s.db"), "--token-file", str(token_file), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        address = told["address"]
        assert address == f"http://127.0.0.1:{told['port']}"
        body = packed(batch("b1", [hours("r1")]))
        assert httpx.post(f"{address}/v1/batches", content=body, headers=bearer()).status_code == 200
        form = {"name": "ines", "password": "four random words", "again": "four random words"}
        cookies = httpx.post(told["first account"], data=form).cookies
        with httpx.stream("GET", f"{address}/live", timeout=30, cookies=cookies) as stream:
            lines = stream.iter_lines()
            assert next(lines) == "retry: 2000"
            process.send_signal(number)
            assert any("data: " in line for line in lines)  # and the loop ends: the server closed the stream
        rest, faults = process.communicate(timeout=60)
        assert (process.returncode, rest, faults) == (0, "", "")


def test_a_taken_port_is_one_line(tmp_path: Path, token_file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "--port", str(port), "--store", tmp_path / "s.db", "--token-file", token_file)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert f"port {port}" in done.stderr
    assert "--port 0" in done.stderr


def test_a_store_that_cannot_be_used_is_one_line(tmp_path: Path, token_file: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("this is no database, and it is long enough to be sure of that\n" * 20)
    newer = tmp_path / "newer.db"
    made = sqlite3.connect(newer)
    made.executescript("CREATE TABLE schema_version (version BIGINT); INSERT INTO schema_version VALUES (99);")
    made.close()
    for store in (tmp_path, text, newer, tmp_path / "no" / "folder.db"):
        done = run("serve", "--port", "0", "--store", store, "--token-file", token_file)
        assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
        assert str(store) in done.stderr


def test_wrong_use_is_2(tmp_path: Path, token_file: Path) -> None:
    store = ["--store", str(tmp_path / "s.db")]
    for arguments in (
        [*store, "--token-file", str(tmp_path / "absent")],
        [*store, "--token-file", str(token_file), "--time-zone", "Europe/Atlantis"],
        [*store, "--token-file", str(token_file), "--port", "99999"],
        [*store],
    ):
        done = run("serve", *arguments)
        assert (done.exit_code, done.stdout) == (2, "")
        assert "Traceback" not in done.stderr


def test_the_help_has_an_example() -> None:
    done = run("serve", "--help")
    assert done.exit_code == 0
    assert "Example: wayside-dashboard serve" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("gw-a", ":1: expected `gateway-id token`, found 1 fields"),
        ("gw-a one two", ":1: expected `gateway-id token`, found 3 fields"),
        ("\nGW-A token-of-gateway-a-0001", ":2: 'GW-A': a gateway id has lower-case letters"),
        ("gw-a short", ":1: 'gw-a': a token has 16 to 512"),
        ("gw-a token-of-g\N{LATIN SMALL LETTER A WITH DIAERESIS}teway-a-0001", ":1: 'gw-a': a token has 16 to 512"),
        ("gw-a token-of-gateway-a-0001\ngw-a token-of-gateway-a-0002", ":2: gateway 'gw-a' is also in line 1"),
        ("gw-a token-of-gateway-a-0001\ngw-b token-of-gateway-a-0001", "two gateways share one token"),
        ("# no lines", "no gateway in it"),
    ],
)
def test_a_token_file_with_a_fault_names_its_line(text: str, line: str, tmp_path: Path) -> None:
    file = tmp_path / "tokens.txt"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(store_place(str(tmp_path / "s.db")), file, "UTC")
    (told,) = str(caught.value).splitlines()
    assert str(file) in told
    assert line in told
    assert "token-of" not in told


def test_every_fault_of_the_settings_is_a_line(tmp_path: Path) -> None:
    file = tmp_path / "tokens.txt"
    file.write_text("gw-a short\nGW-B token-of-gateway-b-0001\n", encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(store_place(str(tmp_path / "s.db")), file, "Europe/Berln")
    token, gateway, zone = str(caught.value).splitlines()
    assert ":1: 'gw-a'" in token
    assert ":2: 'GW-B'" in gateway
    assert zone == "--time-zone: there is no 'Europe/Berln'; did you mean 'Europe/Berlin'?"


@pytest.mark.parametrize("name", ["Nowhere/Atall", "", "../etc/passwd", "a\0b"])
def test_an_unknown_time_zone_is_one_line(name: str, tmp_path: Path, token_file: Path) -> None:
    with pytest.raises(SettingsError, match=r"\A--time-zone: there is no .*\Z"):
        load_settings(store_place(str(tmp_path / "s.db")), token_file, name)


def test_settings_are_frozen_and_keep_tokens_to_themselves() -> None:
    settings = Settings(database_url="sqlite://", tokens=TOKENS)
    assert not any(token in repr(settings) for token in TOKENS.values())
    with pytest.raises(ValidationError, match="frozen"):
        settings.gap_s = 1.0  # type: ignore[misc]
    with pytest.raises(ValidationError, match="gateway_tokens") as caught:
        Settings(database_url="sqlite://", tokens={"gw-a": "secret"}, gateway_tokens={})  # type: ignore[call-arg]
    assert "secret" not in str(caught.value)
