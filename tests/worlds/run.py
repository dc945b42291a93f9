"""The gateways of a world with its simulated people: real configs, bundle, decoders, engine, store and offers, in message time.

Only broker and wall clock are replaced, so a run depends on the seed alone and can be repeated on any machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from firmware_sim.message import Message as SimulatedMessage
from firmware_sim.people.truth import TruthRecorder
from firmware_sim.scenario import load
from firmware_sim.street.street import Street
from gateway import build
from gateway.adapters.bundle import open_bundle, read_public_keys
from gateway.commands.demo.worlds import configs
from gateway.commands.history import Site as ExportedSite
from gateway.commands.history import write
from gateway.config import load_config
from gateway.core.bus import Link, Publication
from gateway.core.types import Message, Observation, TimePassed
from gateway.runtime.trigger_sender import TriggerSender
from tests.kit.testbed import Gateway, ManualClock

STEP_MS = 200


class Served:
    """One gateway of the world: it decodes what it subscribes to, and publishes its offers through `street`."""

    def __init__(self, folder: Path, config: Path, clock: ManualClock, street: Street) -> None:
        settings = load_config(config, [])
        bundle = open_bundle(settings.bundle.path, [key for path in settings.bundle.trusted_keys for key in read_public_keys(path)], None)
        self.name, self.router, self._street = settings.gateway, build.build_router(settings), street
        folder.mkdir(parents=True)
        site = build.build_site(settings, bundle)
        self.gateway = Gateway(folder, site=site, clock=clock, scorer=build.model_slot(settings, bundle), synced=False)
        self._sender = TriggerSender(site, self)  # type: ignore[arg-type]  # the part of a bus that it uses
        self.counts: Counter[str] = Counter()

    def publish(self, publication: Publication) -> bool:
        """Deliver an offer to its phone."""
        self._street.receive(publication.topic, publication.payload)
        return True

    def link(self) -> Link:
        """Always connected."""
        return Link(connected=True, protocol="memory", connects=1)

    def turn(self, messages: list[Message]) -> None:
        """Work through messages, each time that is due, and send the offers."""
        observations: list[Observation] = [one for message in messages for one in self.router.decode(message)]
        if self.gateway.next_ms() <= self.gateway.clock.now_ms():
            observations.append(TimePassed())
        if not observations:
            return
        changes = self.gateway.apply(*observations)
        self.counts.update(changes.totals)
        self.counts.update(decision.reason for decision in (*changes.decisions.made, *changes.decisions.unlogged))
        for trigger in changes.decisions.triggers:
            self._sender.send(trigger, self.gateway.clock.now_ms())


class WorldRun:
    """A world in simulated time. `folder` holds the databases, and after `write` the exports and the truth."""

    def __init__(self, folder: Path, world: str, seed: int) -> None:
        plan = load(world)
        self.folder, self.clock = folder, ManualClock(plan.start_ms)
        self._start_ms, self._messages = plan.start_ms, list[Message]()
        self.street = Street(plan, seed=seed, start_ms=plan.start_ms, publish=self._publish, recorder=TruthRecorder())
        self.gateways = [Served(folder / name, path, self.clock, self.street) for name, path in configs(world).items()]

    def run(self, seconds: float) -> None:
        """Let message time pass."""
        until_ms = self.clock.now_ms() + round(seconds * 1000)
        while self.clock.now_ms() < until_ms:
            self.clock.advance(STEP_MS)
            self.street.run_until(self.clock.now_ms() - self._start_ms)
            taken, self._messages = self._messages, []
            for served in self.gateways:
                served.turn(taken)

    def count(self, name: str) -> int:
        """The sum of a counter over the gateways."""
        return sum(served.counts[name] for served in self.gateways)

    def write(self) -> tuple[Path, list[Path]]:
        """Write the truth and each gateway's history; returns the folders."""
        exports = []
        self.street.truth().write(self.folder / "truth")
        for served in self.gateways:
            site = served.gateway.site
            kinds = {zone.id: zone.kind for zone in site.zones.values() if zone.kind}
            out = self.folder / f"export-{served.name}"
            with served.gateway.reader() as reader:
                write(reader, ExportedSite(kinds, site.plan, site.timezone.key), out, self.clock.now_ms(), "csv")
            exports.append(out)
        return self.folder / "truth", exports

    def _publish(self, message: SimulatedMessage) -> None:
        self._messages.append(Message(message.topic, message.payload, self.clock.now_ms(), message.qos))


@contextmanager
def running(folder: Path, world: str, seed: int) -> Iterator[WorldRun]:
    """A run whose stores are closed at the end."""
    run = WorldRun(folder, world, seed)
    try:
        yield run
    finally:
        for served in run.gateways:
            served.gateway.close()
