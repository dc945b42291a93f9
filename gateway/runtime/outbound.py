"""Passes offers of the channel `webhook` on, on a thread of its own, until they are taken, refused, or expired.

The offers wait in the store like those for phones, since the commit of the decision, and are read again at each try: after a withdrawal
nothing is left to send. The decision counts for caps and cool-down as by any other channel.
"""

from __future__ import annotations

import logging
import random
import threading
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

from gateway.core.ports import StoreFullError
from gateway.core.syncing import Uplink, after_reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.core.ports import Outbound
    from gateway.runtime.mailbox import Mailbox
    from gateway.runtime.trigger_sender import Outgoing, TriggerSender

log = logging.getLogger("wayside")

IDLE_S = 1.0  # between two looks at the store


class OutboundThread:
    """Sends what waits; a try that failed is repeated after a growing pause."""

    def __init__(self, outbound: Outbound, triggers: TriggerSender, mailbox: Mailbox, now_ms: Callable[[], int]) -> None:
        """Prepare the thread; `start` starts it."""
        self._outbound, self._triggers, self._mailbox, self._now_ms = outbound, triggers, mailbox, now_ms
        self._tries: dict[str, Uplink] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outbound", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End after the present try; the rest waits in the store."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self.send_waiting()
                self._stopping.wait(IDLE_S)
        except CancelledError:
            return  # the writer has stopped

    def send_waiting(self) -> None:
        """Try each waiting offer once, after its pause; a receiver that cannot be reached ends the round."""
        now_ms = self._now_ms()
        waiting = self._mailbox.call(lambda store: self._triggers.outgoing(store, now_ms)).result()
        self._tries = {one.id: self._tries.get(one.id, Uplink()) for one in waiting}
        for one in waiting:
            is_due = self._tries[one.id].not_before_ms <= now_ms
            if self._stopping.is_set() or (is_due and not self._is_reached(one)):
                return

    def _is_reached(self, one: Outgoing) -> bool:
        reply = self._outbound.post(one.id, one.body, self._now_ms())
        if reply.trouble:
            log.warning("an offer was not passed on: %s", reply.trouble)
        if reply.kind in ("taken", "refused"):
            try:
                self._mailbox.call(lambda store: self._triggers.passed_on(store, one.id, is_taken=reply.kind == "taken")).result()
            except StoreFullError:
                reply = reply._replace(kind="busy")  # the receiver recognises the repetition by its id
            else:
                return True
        self._tries[one.id] = after_reply(self._tries[one.id], "busy", self._now_ms(), random.random())  # noqa: S311 - spreading load
        return reply.kind != "unreachable"
