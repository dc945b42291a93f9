"""`wayside run`: start a gateway, give up if its broker never answers, and print status reports for machines."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from gateway import settings_trial
from gateway.adapters.personal_data import LogFilter, Scanner
from gateway.adapters.service_manager import ALIVE, READY, notify
from gateway.build import FAULTS, build
from gateway.commands.check import checked
from gateway.commands.options import ConfigOption, JsonOption, SetOption, command_app, load
from gateway.config import ConfigError, load_config
from gateway.core.ports import StoreFullError
from gateway.core.refusal import Refusal

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.config import Config
    from gateway.runtime.app import App

log = logging.getLogger("wayside")
POLL_S = 0.2
command = command_app()


@command.command()
def run(config: ConfigOption, override: SetOption = None, *, as_json: JsonOption = False) -> None:
    """Run the gateway in the foreground until SIGINT or SIGTERM.

    At SIGHUP it starts again with the config, unless that has an error.

    Example: `wayside run --config wayside.toml`
    """
    settings = load(config, override)
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    for handler in logging.getLogger().handlers:
        handler.addFilter(LogFilter(Scanner(settings.privacy.phone_regions)))
    os.umask(0o077)  # the database, its log and all other files of the gateway are its own
    reloads = Reloads(config, override or [])
    while True:
        if settings_trial.count_start(settings):
            settings = load(config, override)
        try:
            gateway = started(settings)
        except FAULTS as error:
            if not settings_trial.take_back(settings, str(error)):
                raise
            settings = load(config, override)
            continue
        gateway.reload = partial(reloads.ask, gateway)
        if settings.mqtt.danger:
            log.warning("mqtt.host: %s", settings.mqtt.danger)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_, running=gateway: running.stop())
        signal.signal(signal.SIGHUP, lambda *_, running=gateway: reloads.ask(running))
        trouble = serve(gateway, settings, as_json=as_json)
        if trouble:
            raise Refusal(trouble)
        reloaded = reloads.taken()
        if reloaded is None and not gateway.is_damaged:
            return
        settings = reloaded or settings


def started(settings: Config) -> App:
    """A gateway, as soon as its database can be written: a full disk is waited for. Raises one of FAULTS."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        signal.signal(number, handler)  # not those of the gateway before
    trouble, pause = "", threading.Event()
    while True:
        try:
            return build(settings)
        except StoreFullError as error:
            if str(error) != trouble:
                trouble = str(error)
                log.error("%s; the gateway starts once it can", trouble)  # noqa: TRY400 - one line
            notify(READY, ALIVE, f"STATUS=holding, {trouble}")
            pause.wait(POLL_S)


class Reloads:
    """The config that replaces the present one, once it is checked as a whole."""

    def __init__(self, path: Path, overrides: list[str]) -> None:
        """`path` and `overrides` are those of the command line."""
        self._path, self._overrides = path, overrides
        self._next: Config | None = None

    def ask(self, gateway: App) -> None:
        """Read and check the config again; stop the gateway in order if it is fine, and keep the present one otherwise."""
        try:
            settings = load_config(self._path, self._overrides)
            checked(settings)
        except (ConfigError, *FAULTS) as error:
            log.error("SIGHUP: the present config stays, because the new one has an error: %s", error)  # noqa: TRY400 - one line
            return
        log.warning("SIGHUP: the gateway starts again with %s", self._path)
        self._next = settings
        gateway.stop()

    def taken(self) -> Config | None:
        """The config to start again with, or None if the gateway was stopped for another reason."""
        settings, self._next = self._next, None
        return settings


def serve(gateway: App, settings: Config, *, as_json: bool) -> str:
    """Run until stopped; returns the cause as text if the broker never accepted a connection, else an empty text."""
    trouble: list[str] = []
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(gateway, settings, ended, trouble, as_json), name="watch", daemon=True)
    watcher.start()
    gateway.run()
    ended.set()
    watcher.join(1.0)
    if as_json:
        _print(gateway)
    return trouble[0] if trouble else ""


def _watch(gateway: App, settings: Config, ended: threading.Event, trouble: list[str], as_json: bool) -> None:  # noqa: FBT001 - a thread's argument
    """Stop the gateway if the first connection takes too long, log changes of the connection, and print status reports as JSON."""
    waited_s, connected, beats = 0.0, False, -1
    while not ended.wait(POLL_S):
        link = gateway.bus.link()
        if link.connected != connected:
            connected = link.connected
            log.info("connected with %s" if connected else "%s", link.protocol if connected else link.trouble)
        if gateway.beats != beats:  # a writer that hangs gives no sign of life
            beats = gateway.beats
            notify(*((READY, ALIVE) if link.connects else (ALIVE,)), f"STATUS={gateway.latest.state}, {link.protocol or link.trouble}")
        waited_s += POLL_S
        limit_s = settings.mqtt.first_connect_s
        if link.connects == 0 and limit_s and waited_s >= limit_s:
            trouble.append(link.trouble or "the broker does not answer")
            gateway.stop()
            return
        if as_json and int(waited_s / POLL_S) % max(1, int(settings.status_interval_s / POLL_S)) == 0:
            _print(gateway)


def _print(gateway: App) -> None:
    """Print the status, unless its reader is gone."""
    with suppress(BrokenPipeError):
        sys.stdout.buffer.write(msgspec.json.encode(gateway.latest) + b"\n")
        sys.stdout.buffer.flush()
