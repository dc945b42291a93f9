"""`wayside run`: SIGHUP starts the gateway again with a config that is right as a whole; a reader that goes away ends nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import apsw
import pytest

from gateway.adapters.store import Store
from gateway.build_store import SetupError, open_store
from gateway.commands import run
from gateway.commands.run import Reloads
from gateway.config import load_config
from gateway.core.ports import StoreFullError
from tests.kit.gateways import write_config


class Running:
    """A gateway that notes whether it was stopped."""

    is_stopped = False

    def stop(self) -> None:
        self.is_stopped = True


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path)


def test_a_right_config_is_taken_once(config: Path) -> None:
    config.write_text(config.read_text("utf-8").replace("interval_s = 0.2", "interval_s = 3.0"), "utf-8")
    reloads, running = Reloads(config, ["log_level=error"]), Running()
    reloads.ask(running)  # type: ignore[arg-type]
    taken = reloads.taken()
    assert running.is_stopped
    assert taken is not None
    assert (taken.status_interval_s, taken.log_level) == (3.0, "error"), "the options of the command line still hold"
    assert reloads.taken() is None


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda text: text.replace("[mqtt]", "[mqqt]"), "mqqt"),
        (lambda text: text + "\n[[sources]]\ntopic = 'x/#'\ndecoder = 'no_such_format'\n", "no_such_format"),
        (lambda text: text.replace("[mqtt]", "[mqtt]\nusername = 'gw'\npassword_file = 'absent'"), "absent"),
        (lambda text: text.replace("[mqtt]", "[mqtt]\nca_file = 'wayside.toml'"), "wayside.toml"),
        (lambda text: text.replace("tiny.wayside", "absent.wayside").replace(".bundle", ".absent"), "absent"),
    ],
    ids=["a misspelt key", "an unknown format", "a password file that is absent", "a certificate that is none", "a bundle that is absent"],
)
def test_a_wrong_one_changes_nothing(config: Path, caplog: pytest.LogCaptureFixture, wrong: object, told: str) -> None:
    """Each is found before the running gateway is stopped, although another part of the config is right and new."""
    text = config.read_text("utf-8").replace("interval_s = 0.2", "interval_s = 3.0")
    config.write_text(wrong(text), "utf-8")  # type: ignore[operator]
    reloads, running = Reloads(config, []), Running()
    reloads.ask(running)  # type: ignore[arg-type]
    assert not running.is_stopped
    assert reloads.taken() is None
    assert "the present config stays" in caplog.text
    assert told in caplog.text


def test_a_start_waits_for_a_full_disk_and_is_ended_by_any_other_fault(
    config: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The first tries meet a full disk; each leaves the database unlocked."""
    filters, full = Store.former_filters, [StoreFullError("the disk is full")] * 2

    def former(store: Store, wanted: Sequence[str]) -> list[str]:
        if full:
            raise full.pop()
        return filters(store, wanted)

    monkeypatch.setattr(run, "POLL_S", 0.0)
    monkeypatch.setattr(Store, "former_filters", former)
    run.started(load_config(config)).store.close()
    assert caplog.messages == ["the disk is full; the gateway starts once it can"]
    (config.parent / "gw-t.key").chmod(0o644)
    with pytest.raises(SetupError, match="can be read by other users"):
        run.started(load_config(config))


def test_a_database_that_another_program_holds_is_waited_for(config: Path) -> None:
    settings = load_config(config)
    open_store(settings).close()
    holder = apsw.Connection(str(settings.store.path))
    holder.pragma("cipher", "chacha20")
    holder.pragma("hexkey", settings.store.key_file.read_text().strip())
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreFullError, match="another program"):
        open_store(settings)
    holder.close()
    open_store(settings).close()


def test_a_reader_of_the_reports_that_goes_away_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that prints them also gives the service manager its signs of life."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as pipe:
        monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=pipe))
        with pytest.raises(BrokenPipeError):
            pipe.write(b"a report")
        run._print(SimpleNamespace(latest={"state": "online"}))  # type: ignore[arg-type]
