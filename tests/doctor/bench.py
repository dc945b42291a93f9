"""A workbench for broken set-ups: a broker, a gateway on a thread of this process, devices that publish, and the diagnosis of all that."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.build import build
from gateway.core.types import Message
from gateway.runtime.app import App
from tests.commands.terminal import wayside
from tests.kit.broker import HOST, MosquittoBroker, free_port, mosquitto
from tests.kit.bundles import BundleFiles, make_bundle, tiny_campaign
from tests.kit.gateways import settings_of, walk_in, write_config
from tests.kit.subscriber import Subscriber
from tests.kit.waiting import until

LISTEN_S = 0.4


class Bench:
    """One set-up in a folder. The defaults work; a set-up breaks one thing."""

    def __init__(self, folder: Path, stack: ExitStack, patch: pytest.MonkeyPatch) -> None:
        self.folder, self._stack, self.patch = folder, stack, patch
        self.port = free_port()
        self._threads: dict[int, threading.Thread] = {}

    def broker(self, *lines: str, folder: str = ".") -> MosquittoBroker:
        """A running broker; its port becomes that of configs written from now on."""
        path = self.folder / folder
        path.mkdir(exist_ok=True)
        running = self._stack.enter_context(mosquitto(path, lines=lines))
        self.port = running.port
        return running

    def config(self, files: BundleFiles | None = None, replace: tuple[str, str] = ("", ""), more: str = "", **policy: object) -> Path:
        """A config with a bundle; `replace` is a text and its replacement, `policy` changes the campaign's policy."""
        files = files or make_bundle(self.folder, tiny_campaign(**{"holdout": 0.0} | policy))
        path = write_config(self.folder, self.port, files, more)
        text = path.read_text("utf-8")
        assert replace[0] in text
        path.write_text(text.replace(*replace), "utf-8")
        return path

    def beside(self, folder: str) -> Bench:
        """Another set-up in a folder of this one, at the same broker."""
        (self.folder / folder).mkdir()
        other = Bench(self.folder / folder, self._stack, self.patch)
        other.port = self.port
        return other

    def gateway(self, config: Path) -> App:
        """A gateway on a thread, connected if it can be."""
        app = build(settings_of(config))
        thread = threading.Thread(target=app.run, daemon=True)
        thread.start()
        self._threads[id(app)] = thread
        self._stack.callback(self.end, app)
        until(lambda: app.bus.link().connected or app.bus.link().trouble)
        return app

    def end(self, app: App) -> None:
        """Stop a gateway in order."""
        app.stop()
        self._threads[id(app)].join()

    def publish(self, *messages: Message, retain: bool = False) -> None:
        """Publish as devices do, with QoS 1."""
        with Subscriber(HOST, self.port, "nothing") as client:
            for one in messages:
                client.publish(one.topic, one.payload, retain=retain)

    def publish_always(self, *messages: Message) -> None:
        """Publish again and again until the end of the set-up."""
        ended = threading.Event()

        def repeat() -> None:
            while not ended.wait(LISTEN_S / 4):
                self.publish(*messages)

        thread = threading.Thread(target=repeat, daemon=True)
        thread.start()
        self._stack.callback(thread.join)
        self._stack.callback(ended.set)

    def flow(self, config: Path, *messages: Message) -> App:
        """A gateway that has processed messages (default: of a person who walks in)."""
        app = self.gateway(config)
        for number, one in enumerate(messages or walk_in(), 1):
            self.publish(one)  # one after another, because the next one may overtake a consent
            until(lambda most=number: app.counters.counts["messages"] >= most)  # type: ignore[misc]
        return app


def diagnosed(config: Path) -> dict[str, Any]:
    """The JSON of `wayside doctor`, whose exit code must be that of its findings."""
    done = wayside("doctor", "--config", config, "--seconds", LISTEN_S, "--json")
    found: dict[str, Any] = json.loads(done.out)
    assert done.code == int(any(one["level"] == "fault" for one in found["findings"])), done
    return found


@contextmanager
def bench(folder: Path) -> Iterator[Bench]:
    """A bench whose processes and patches end with the block."""
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        yield Bench(folder, stack, patch)


Setup = Callable[[Bench], Path]
