"""Sends the outbox to the cloud on a thread of its own, so that neither the start nor a trigger waits for it."""

from __future__ import annotations

import logging
import random
import threading
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

from gateway.core.ports import StoreFullError
from gateway.core.syncing import Send, Uplink, after_reply, plan_sync

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.core.ports import Cloud
    from gateway.runtime.mailbox import Mailbox

log = logging.getLogger("wayside")


class UplinkThread:
    """Sends batches while records are pending, then waits for the interval or for `nudge`."""

    def __init__(self, gateway: str, cloud: Cloud, mailbox: Mailbox, now_ms: Callable[[], int], interval_s: float) -> None:
        """Prepare the thread; `start` starts it."""
        self._gateway = gateway
        self._cloud = cloud
        self._mailbox = mailbox
        self._now_ms = now_ms
        self._idle_ms = int(interval_s * 1000)
        self._nudged = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="uplink", daemon=True)
        self.taken = 0
        self.quarantined = 0
        self.taken_at_ms: int | None = None
        self.trouble = ""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def nudge(self) -> None:
        """Wake the thread up, because there are new records."""
        self._nudged.set()

    def stop(self, wait_s: float) -> None:
        """Send pending records if the cloud answers, and end within `wait_s`; the writer must still serve the mailbox."""
        self._stopping.set()
        self._nudged.set()
        self._thread.join(wait_s)

    def _run(self) -> None:
        uplink = Uplink()
        try:
            while not self._stopping.is_set() or (self._pending() and not uplink.failures):
                plan = plan_sync(self._pending(), self._now_ms(), uplink, self._idle_ms)
                if isinstance(plan, Send):
                    uplink = self._send(uplink)
                else:
                    # A nudge ends the idle wait, but not the pause after a failure.
                    (self._stopping if uplink.failures else self._nudged).wait(plan.wait_ms / 1000)
                    self._nudged.clear()
        except CancelledError:
            return  # the writer has stopped; pending records stay in the outbox

    def _pending(self) -> int:
        return self._mailbox.call(lambda store: store.backlog()).result()

    def _send(self, uplink: Uplink) -> Uplink:
        try:
            batch = self._mailbox.call(lambda store: store.next_batch(self._gateway)).result()
            if batch is None:
                return uplink
            reply = self._cloud.post(batch)
            self.trouble = reply.trouble
            if reply.kind == "never":
                self.quarantined += self._mailbox.call(lambda store: store.quarantine(batch)).result()
                log.error("%s", reply.trouble)
            if reply.kind == "taken":
                taken = self._mailbox.call(lambda store: store.records_taken(batch, reply.taken)).result()
                if not taken:  # a success without any of our records counts as a failure: try again after a pause
                    self.trouble = "the cloud's receipt names none of our records"
                    return after_reply(uplink, "refused", self._now_ms(), random.random())  # noqa: S311 - spreading load
                self.taken += taken
                self.taken_at_ms = self._now_ms()
        except StoreFullError as error:
            self.trouble = str(error)
            return after_reply(uplink, "busy", self._now_ms(), random.random())  # noqa: S311 - spreading load
        return after_reply(uplink, reply.kind, self._now_ms(), random.random(), reply.retry_after_ms)  # noqa: S311 - spreading load
