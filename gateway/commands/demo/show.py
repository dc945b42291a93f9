"""Runs the demonstration: starts the processes, shows the live summary, and prints the totals."""

from __future__ import annotations

import json
import secrets
import shutil
import signal
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from gateway.adapters.toml_files import TomlFileError
from gateway.commands.demo.course import Course
from gateway.commands.demo.live_campaign import STAY_S, LiveCampaign
from gateway.commands.demo.person import invitation
from gateway.commands.demo.processes import DemoError, Part, free_port, program, require, start_broker
from gateway.commands.demo.screen import Screen
from gateway.commands.demo.summary import Totals, summarise
from gateway.commands.demo.worlds import DEFAULT, configs
from gateway.commands.demo.worth import Worth
from gateway.config import load_config
from gateway.core.bundle import BundleError

if TYPE_CHECKING:
    from gateway.config import Config

POLL_S = 0.25


class Demo:
    """The processes of one demonstration, and their temporary folder."""

    def __init__(self, port: int, seed: int, world: str = DEFAULT, search: str | None = None, campaign: Path | None = None) -> None:
        """Start broker, dashboard, gateways and simulator, in this order; `search` are the folders of Mosquitto. Raises DemoError.

        `campaign` is a campaign file that may be edited meanwhile; see `gateway.commands.demo.live_campaign`.
        """
        self.began_s = time.monotonic()
        self.folder = Path(tempfile.mkdtemp(prefix="wayside-demo-"))
        self.parts: list[Part] = []
        self.settings: list[Config] = []
        self.faults = 0
        try:
            self._start(port, seed, world, search, campaign)
        except BaseException:
            self.end()
            raise

    def _start(self, port: int, seed: int, world: str, search: str | None, campaign: Path | None) -> None:
        files = configs(world)
        free_port(port)
        try:
            self.campaign = LiveCampaign(load_config(next(iter(files.values()))), self.folder, campaign)
        except (TomlFileError, BundleError, OSError) as error:
            raise DemoError(str(error)) from None
        require("wayside-dashboard", "wayside-sim")
        broker, broker_port, self.broker = start_broker(self.folder, search)
        self.parts.append(broker)
        tokens = {gateway: secrets.token_urlsafe(24) for gateway in files}
        (self.folder / "tokens").write_text("".join(f"{gateway} {token}\n" for gateway, token in tokens.items()))
        self.dashboard = self._part(
            "dashboard",
            "wayside-dashboard",
            "serve",
            "--demonstration",
            *("--campaign", str(self.campaign.text_file), "--bundle", "signed.bundle", "--bundle-key", "demo.pub"),
            *("--campaign-key", "demo.key", "--world", world),
            *(part for config in files.values() for part in ("--plan", str(config))),
            *("--port", str(port), "--store", "dashboard.db", "--token-file", "tokens", "--json"),
        )
        self._await(self.dashboard)
        started = self.dashboard.latest
        self.address, self.desk, self.second = (str(started[name]) for name in ("address", "desk", "second"))
        self._reader = str(started["token"])
        self.gateways = [self._gateway(config, tokens[gateway], broker_port) for gateway, config in files.items()]
        for gateway in self.gateways:
            self._await(gateway)
        self.setup_s = time.monotonic() - self.began_s
        url = f"mqtt://127.0.0.1:{broker_port}"
        self.simulator = self._part(
            "simulator", "wayside-sim", "run", world, "--broker", url, "--seed", str(seed), "--stay", f"{STAY_S:g}", "--json"
        )

    def _gateway(self, config: Path, token: str, broker_port: int) -> Part:
        gateway = config.stem
        (self.folder / f"{gateway}.token").write_text(token)
        settings = {
            "mqtt.port": broker_port,
            "store.path": self.folder / f"{gateway}.db",
            "store.key_file": self.folder / f"{gateway}.key",
            "cloud.url": self.address,
            "cloud.token_file": self.folder / f"{gateway}.token",
            "cloud.interval_s": 1.0,
            "cloud.desk": "true",
            "bundle.path": self.campaign.path(gateway),
            "bundle.trusted_keys": f'["{self.campaign.public_key}"]',
        }
        if not self.settings:  # one page is enough to look at
            settings |= {"page.port": free_port(), "page.operator": "The simulated street"}
        self.campaign.install(gateway)
        values = [f"{name}={value}" for name, value in settings.items()]
        self.settings.append(load_config(config, values))
        overrides = [argument for value in values for argument in ("--set", value)]
        return self._part(gateway, "wayside", "run", "--config", str(config), "--json", *overrides)

    def _part(self, name: str, command: str, *arguments: str) -> Part:
        part = Part(name, [program(command), *arguments], self.folder)
        self.parts.append(part)
        return part

    def _await(self, part: Part) -> None:
        """Wait for the first report of a part. Raises DemoError if it ends before."""
        while not part.reported.wait(POLL_S):
            if not part.is_running:
                raise DemoError(f"{part.name} did not start: {part.last_error_line()}")

    def take_campaign(self) -> bool:
        """Install the edited campaign on all gateways, if it has changed and is right."""
        if not self.campaign.changed():
            return False
        for settings in self.settings:
            self.campaign.install(settings.gateway)
        return True

    def check(self) -> str | None:
        """A text about a part that ended by itself, or None."""
        gone = next((part for part in self.parts if not part.is_running), None)
        return f"{gone.name} ended by itself (exit code {gone.exit_code}): {gone.last_error_line()}" if gone else None

    def totals(self) -> Totals:
        """The present reports of the gateways, and the summary of the dashboard."""
        return Totals([gateway.latest for gateway in self.gateways], self._dashboard())

    def _dashboard(self) -> dict[str, Any]:
        try:
            request = urllib.request.Request(f"{self.address}/v1/summary", headers={"Authorization": f"Bearer {self._reader}"})  # noqa: S310
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - our own loopback address
                found = json.load(answer)
        except OSError:
            return {}
        return dict(found)

    def finish(self) -> Totals:
        """End the simulator and then the gateways, so that all records reach the dashboard; returns the totals."""
        self._end(self.simulator)
        for gateway in self.gateways:
            self._end(gateway)
        return self.totals()

    def end(self) -> None:
        """End all running parts, last started first, and remove the folder."""
        for part in reversed(self.parts):
            self._end(part)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self, part: Part) -> None:
        if part in self.parts:
            self.parts.remove(part)
            self.faults += part.end()


def run_demo(
    *, world: str, seconds: float | None, port: int, seed: int, headless: bool, as_json: bool, campaign: Path | None = None
) -> int:
    """Run for `seconds` or until Ctrl-C; returns the number of unhandled errors. Raises DemoError."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # SIGHUP: the terminal was closed
        signal.signal(number, lambda *_: stop.set())
    out = Console(stderr=as_json)
    out.print("starting the demonstration …")
    demo = Demo(port, seed, world, campaign=campaign)
    try:
        out.print(demo.broker)
        out.print(f"[bold]desk: {demo.desk}[/bold]   (Ctrl-C ends)", soft_wrap=True)
        out.print(f"a second person, to sign off a campaign: {demo.second}", highlight=False, soft_wrap=True)
        out.print(invitation(demo.settings[0], out), highlight=False, markup=False, soft_wrap=True)
        began_s = time.monotonic()
        course = Course()
        first_s = _watch(demo, stop, seconds, None if headless or as_json else out, course)
        run_s = time.monotonic() - began_s
        totals = demo.finish()
    finally:
        demo.end()
    summary = summarise(totals, setup_s=demo.setup_s, run_s=run_s, first_trigger_s=first_s, faults=demo.faults, broker=demo.broker)
    summary |= {"course": course.minutes, "calibration_error_s": course.error_s, "margin_interval_s": course.interval_s}
    typer.echo(json.dumps(summary) if as_json else Screen.closing(summary))
    return demo.faults


def _watch(demo: Demo, stop: threading.Event, seconds: float | None, out: Console | None, course: Course) -> float | None:
    """Show the live summary until the end; returns the seconds from the simulator's start to the first trigger, or None."""
    began_s, first_s = time.monotonic(), None
    worth = Worth(demo.settings, time.monotonic)
    changed_s: float | None = None
    with Screen(out, demo.address) as screen:
        while not stop.wait(POLL_S):
            passed_s = time.monotonic() - began_s
            totals = demo.totals()
            if first_s is None and totals.triggers:
                first_s = passed_s
            if demo.take_campaign():
                worth.changed()
                changed_s = passed_s
            texts = worth.texts(passed_s)
            course.note(totals, texts, passed_s)
            course.interval_s = worth.first_s
            note = demo.campaign.trouble or ("" if changed_s is None else _effect(course, changed_s, passed_s))
            screen.update(totals, texts, course, passed_s, seconds, note)
            if seconds is not None and passed_s >= seconds:
                break
            if (gone := demo.check()) is not None:
                raise DemoError(gone)
    return first_s


def _effect(course: Course, changed_s: float, passed_s: float) -> str:
    """Triggers a minute before and after the campaign was changed."""
    before, after = course.pace(0.0, changed_s), course.pace(changed_s, passed_s)
    paces = [f"{pace:.1f}" if pace is not None else "not known yet" for pace in (before, after)]
    return f"campaign changed at {changed_s:.0f} s; triggers a minute: {paces[0]} before, {paces[1]} since"
