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

from dashboard.settings import Settings, SettingsError, read_tokens
from tests.web.seed import TOKENS, batch, bearer, cell, packed

PROGRAM = [sys.executable, "-m", "dashboard.cli"]


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "tokens.txt"
    file.write_text("# who may speak\n\n" + "".join(f"{gateway} {token}\n" for gateway, token in TOKENS.items()))
    return file


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run to the end."""
    return subprocess.run([*PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_and_a_signal_ends_it_politely(number: signal.Signals, tmp_path: Path, token_file: Path) -> None:
    command = [*PROGRAM, "serve", "--port", "0", "--store", str(tmp_path / "s.db"), "--token-file", str(token_file), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        address = told["address"]
        assert address == f"http://127.0.0.1:{told['port']}"
        body = packed(batch("b1", [cell("r1")]))
        assert httpx.post(f"{address}/v1/batches", content=body, headers=bearer()).status_code == 200
        with httpx.stream("GET", f"{address}/live", timeout=30) as stream:
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
    assert (done.returncode, done.stdout) == (1, "")
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
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
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
        assert (done.returncode, done.stdout) == (2, "")
        assert "Traceback" not in done.stderr


def test_the_help_has_an_example() -> None:
    done = run("serve", "--help")
    assert done.returncode == 0
    assert "Example: wayside-dashboard serve" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("gw-a", ":1: expected"),
        ("gw-a one two", ":1: expected"),
        ("\nGW-A token-of-gateway-a-0001", ":2: a gateway id"),
        ("gw-a short", ":1: a token has 16"),
        ("gw-a token-of-g\N{LATIN SMALL LETTER A WITH DIAERESIS}teway-a-0001", ":1: a token has 16"),
        ("gw-a token-of-gateway-a-0001\ngw-a token-of-gateway-a-0002", ":2: gateway 'gw-a' stands twice"),
        ("# nobody", "names no gateway"),
    ],
)
def test_a_token_file_with_a_fault_names_its_line(text: str, line: str, tmp_path: Path) -> None:
    file = tmp_path / "tokens.txt"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        read_tokens(file)
    assert line in str(caught.value)
    assert "token-of" not in str(caught.value)


def test_settings_refuse_what_would_confuse_gateways() -> None:
    for tokens in ({"gw-a": "x", "gw-b": "x"}, {"gw-a": ""}, {"Gw A": "x"}):
        with pytest.raises(SettingsError):
            Settings("sqlite://", tokens)
    assert "secret" not in repr(Settings("sqlite://", {"gw-a": "secret"}))
