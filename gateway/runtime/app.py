"""The running gateway: takes messages in batches, decodes and folds them, commits, publishes triggers and acknowledges.

`turn()` is one round of that, on one thread, the writer. MQTT and the uplink have own threads and reach the writer through the
mailbox. Messages are acknowledged after the commit. `gateway.build` makes an App from a config.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from gateway.core import engine, limits, schedule, strangers
from gateway.core.bus import Publication
from gateway.core.channels import is_page
from gateway.core.discards import Discard
from gateway.core.incidents import silences
from gateway.core.ports import StoreDamagedError, StoreFullError
from gateway.core.types import TimePassed, Undelivered
from gateway.runtime.counters import Counters
from gateway.runtime.echo import Echo, double_trouble
from gateway.runtime.redemptions import RedemptionExchange
from gateway.runtime.screens import programmes
from gateway.runtime.status import GatewayStatus, gateway_status, retained
from gateway.runtime.trigger_sender import TriggerSender

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from gateway.core.bus import Bus, Link
    from gateway.core.policy.choose import Scorer
    from gateway.core.ports import Store
    from gateway.core.site import Site
    from gateway.core.state import Changes, Trigger
    from gateway.core.strangers import Concern
    from gateway.core.types import Message, Observation
    from gateway.core.unit_of_work import Draw
    from gateway.runtime.mailbox import Mailbox
    from gateway.runtime.model_slot import ModelSlot
    from gateway.runtime.reserves import Gauge
    from gateway.runtime.router import Router
    from gateway.runtime.uplink import UplinkThread

log = logging.getLogger("wayside")

IDLE_S_MAX = 1.0  # longest wait of the writer for messages
FULL_DISK_PAUSE_S = 1.0
HOUSEKEEPING_MS = 1_000  # interval of storing sent triggers and dead letters, and of the check for another bundle
SAVE_MS = 300_000  # interval of storing when people in open visits were last heard, and refused messages: a broken sensor may send many
QUIET_MS = 500  # without a message after a connect: the broker has handed over all that waited
BACKLOG_MS_MAX = 30_000  # longest wait for that
UPLINK_STOP_S = 20.0
STOP_POLL_S = 0.01
REKEY_PAUSE = 20  # times as long as the last replacement of the key: the writer does it for at most a 20th of its time


class Clock(Protocol):
    """See `gateway.adapters.clock.SystemClock`."""

    def now_ms(self) -> int:
        """Milliseconds since 1970 (UTC)."""

    def take_step(self) -> int:
        """Milliseconds by which the clock was set since the last call."""


class Service(Protocol):
    """A thread beside the writer that reaches it through the mailbox."""

    def start(self) -> None:
        """Start."""

    def stop(self) -> None:
        """End; the writer still serves the mailbox."""


class Asked(NamedTuple):
    """The committed result of observations that a client is waiting for: the reply to its device, and the reasons of discards."""

    reply: Mapping[str, object]
    discarded: Mapping[Discard, int]


def _draw() -> str:
    return secrets.token_hex(8)


class App:
    """One gateway. `run()` serves until `stop()`; tests call `turn()` themselves."""

    def __init__(
        self,
        site: Site,
        *,
        clock: Clock,
        bus: Bus,
        store: Store,
        scorer: Scorer,
        router: Router,
        mailbox: Mailbox,
        uplink: UplinkThread | None = None,
        model_slot: ModelSlot | None = None,
        draw: Draw = _draw,
        status_interval_ms: int = 10_000,
        clean: Callable[[str], str] = str,
        echo_topic: str | None = None,
    ) -> None:
        """Load the state from the store; nothing is connected yet. Without `uplink` records stay in the outbox.

        `clean` removes texts with personal data from dead letters and the status. An echo on `echo_topic` measures the
        way from the broker; without a topic nothing measures it.
        """
        self.echo = Echo(echo_topic, draw()) if echo_topic is not None else None
        router.echo_topic = echo_topic
        self.clean = clean
        self.site = site
        self.clock = clock
        self.bus = bus
        self.store = store
        self.scorer = scorer
        self.router = router
        self.mailbox = mailbox
        self.uplink = uplink
        self.model_slot = model_slot
        self.draw = draw
        self.triggers = TriggerSender(site, bus, self._is_silenced)
        self.redemptions = RedemptionExchange(site, bus, draw())
        store.expect(site, scorer.version)
        self.state = store.state(clock.now_ms(), site.presence)
        self.counters = Counters(clock.now_ms())
        self.status_interval_ms = status_interval_ms
        self._status_at_ms = self._housekeeping_at_ms = self._quiet_at_ms = self._times_at_ms = self._rekey_at_ms = 0
        self._connects = self._fresh = 0
        self._was_here = bool(self.state.people.identities)
        self._deaf_ms = clock.now_ms()
        self._backlog_until_ms: int | None = None
        self.state.visits.hears_from_ms = self.state.outcomes.hears_from_ms = None  # until the first connection
        self.state.retention.settles_ms = clock.now_ms() + limits.CLOCK_SETTLE_MS
        self._drop = strangers.dropping(site, self.state.people)  # a bundle changes no device and no zone
        self.router.dropped = self._drop_heard if site.privacy.visitors else self._drop
        self._stopping = threading.Event()
        self.is_damaged = False
        self.beats = 0  # rises while the writer works or waits; the watchdog looks at it
        self._holding = self._times_failed = False
        self.services: list[Service] = []
        self.gauge: Gauge | None = None
        self.reload: Callable[[], None] = self.stop  # read the config again, and start with it
        self.listeners: list[Callable[[Changes], None]] = []
        self.latest = self.status("starting")

    def run(self) -> None:
        """Serve until `stop()`, or until the database proves damaged (`is_damaged`); then finish the present batch and close."""
        self.bus.start(self.mailbox.deliver)
        if self.uplink is not None:
            self.uplink.start()
        for service in self.services:
            service.start()
        try:
            while not self._stopping.is_set():
                self.turn(self._wait_s())
        except StoreDamagedError as error:
            log.error("%s: the gateway starts again without it", error)  # noqa: TRY400 - one line
            self.is_damaged = True
        self._close()

    def stop(self) -> None:
        """Ask `run()` to end; may be called from a signal handler."""
        self._stopping.set()
        self.mailbox.wake()

    def turn(self, wait_s: float) -> int:
        """Process one batch; waits up to `wait_s` for messages. Returns the number of messages processed."""
        self.beats += 1
        messages, calls = self.mailbox.take(limits.BATCH_MESSAGES_MAX, wait_s)
        step_ms = self.clock.take_step()
        if step_ms:
            self._rebase(step_ms)
        for call in calls:
            call.run(self.store)
        now_ms = self.clock.now_ms()
        self._note_hearing(now_ms)
        self.state.clock.note(now_ms, self.site.clock_floor_ms)
        passed = self.router.passed
        observations = self.router.decode_all(messages)
        if observations or self.router.passed > passed:
            self.counters.observed_at_ms = now_ms
        failed = self.triggers.take_failed()
        if failed:
            observations.append(Undelivered(failed))
        if self._next_due_ms(now_ms) <= now_ms:
            observations.append(TimePassed())
        if observations and self._fold(observations, now_ms, messages) is None:
            return 0  # without acknowledgement the broker delivers the messages again
        self.counters.counts["messages"] += len(messages) - self._hear_echoes()
        self.counters.counts["messages_shed"] = self.mailbox.shed
        self.bus.acknowledge(self.mailbox.settled(messages))
        self._housekeep(now_ms, is_idle=not messages)
        return len(messages)

    def _drop_heard(self, concern: Concern) -> Discard | None:
        """As `strangers.dropping`, and counts the device as a visitor of the day."""
        reason = self._drop(concern)
        if reason is Discard.NOT_CONSENTED and concern[1] is not None:
            self.state.counts.visitors.hear(concern[0], self.site.anchors[concern[1]])
        return reason

    def _hear_echoes(self) -> int:
        """Note the echoes of the batch, after its commit; the number."""
        echoes = self.router.take_echoes()
        if echoes and self.echo is not None:
            self.echo.hear(echoes, self.clock.now_ms())
        return len(echoes)

    def _send_echo(self, now_ms: int) -> None:
        if self.echo is not None and self.bus.link().connected and (echo := self.echo.next(now_ms)) is not None:
            self.bus.publish(echo)

    def _note_hearing(self, now_ms: int) -> None:
        """Note whether messages can arrive, and the time up to which all that arrived are taken."""
        visits, link = self.state.visits, self.bus.link()
        if not link.connected:
            if visits.hears_from_ms is not None:
                self._deaf_ms = now_ms if visits.heard_until_ms is None else visits.heard_until_ms
            visits.hears_from_ms = None
        elif visits.hears_from_ms is None:
            visits.hears_from_ms = now_ms
        self.state.outcomes.hears_from_ms = visits.hears_from_ms
        waiting_ms = self.mailbox.waiting_since_ms()  # after the link: its messages are in the mailbox
        visits.heard_until_ms = min((moment for moment in (link.heard_ms, waiting_ms) if moment is not None), default=None)

    def ask(self, observations: Sequence[Observation], device: str, *, publishes: bool = False) -> Future[Asked]:
        """Fold observations on the writer thread, all in one commit; the reply to `device` is returned.

        With `publishes` it is published too, if `device` did not ask itself. The future raises StoreFullError while a batch cannot be
        stored.
        """
        return self.mailbox.call(lambda _: self._asked(observations, device, publishes=publishes))

    def _asked(self, observations: Sequence[Observation], device: str, *, publishes: bool) -> Asked:
        if self._holding:
            raise StoreFullError(self.counters.trouble)
        changes = self._fold(observations, self.clock.now_ms(), asker=None if publishes else device)
        if changes is None:
            raise StoreFullError(self.counters.trouble)
        reply = next((reply.body for reply in changes.replies.messages if reply.device == device), {})
        return Asked(reply, changes.discarded)

    def _fold(
        self, observations: Sequence[Observation], now_ms: int, messages: Sequence[Message] = (), asker: str | None = None
    ) -> Changes | None:
        """Advance, commit and publish; None if the gateway stops before it could store the changes."""
        changes = engine.advance(self.site, self.state, observations, now_ms, self.store, self.scorer, self.draw)
        if not self._commit(changes):
            return None
        self._publish_triggers(changes, messages)
        self._publish_replies(changes, asker)
        self.triggers.contacts.state_unsent(changes, self.store)
        self.triggers.contacts.state_withdrawn(changes.replies.withdrawn)
        for listener in self.listeners:
            listener(changes)
        self.redemptions.publish(changes)
        for publication in programmes(self.site, changes):
            self.bus.publish(publication)
        return changes

    def _rebase(self, step_ms: int) -> None:
        """Move all times with the clock, also in the store, because after a restart the step could not be detected."""
        log.warning("the clock was set by %+d ms; open visits move with it", step_ms)
        if self.echo is not None:
            self.echo.forget()
        self.state.rebase(step_ms)
        self.state.retention.settles_ms = self.clock.now_ms() + limits.CLOCK_SETTLE_MS
        self._status_at_ms += step_ms
        self._quiet_at_ms += step_ms
        if self._backlog_until_ms is not None:
            self._backlog_until_ms += step_ms
        self._housekeeping_at_ms += step_ms
        self._times_at_ms += step_ms
        self._rekey_at_ms += step_ms
        self._save_times()

    def _save_times(self) -> None:
        """Store the moments of the state again; a full disk delays it."""
        try:
            self.store.save_times(self.state)
            self._times_failed = False
        except StoreFullError as error:
            self._degrade(str(error))
            self._times_failed, self._times_at_ms = True, 0

    def _save_heard(self) -> None:
        """Store the last sighting of each open visit, so that after a stop or a crash the visit ends then, and learned averages."""
        try:
            self.store.save_heard(self.state.visits)
        except StoreFullError as error:
            self._degrade(str(error))

    def _commit(self, changes: Changes) -> bool:
        """Store changes and apply them to the state. On a full disk it tries again until `stop()`, and then returns False."""
        while changes.is_durable:
            try:
                self.store.save(changes)
                break
            except StoreFullError as error:
                self._degrade(str(error))
                self.beats += 1
                self._holding = True  # calls must not fold further observations on top of changes that are not stored
                for call in self.mailbox.take(0, FULL_DISK_PAUSE_S)[1]:
                    call.run(self.store)  # the uplink goes on emptying the outbox, which may free space
                self._holding = False
                if self._stopping.is_set():
                    return False
        self.counters.trouble = ""
        self.state.accept(changes)
        self.counters.add(changes)
        if changes.counts.closing is not None and self.uplink is not None:
            self.uplink.nudge()
        return True

    def _publish_triggers(self, changes: Changes, messages: Sequence[Message]) -> None:
        """Publish the triggers of the batch, and record the time since its oldest message came to the broker.

        The way from the broker is that of the newest echo.
        """
        if not changes.decisions.triggers:
            return
        arrived_ms = min((message.received_at_ms for message in messages), default=None)
        way_ms = self.echo.transit_ms if self.echo is not None else 0
        for trigger in changes.decisions.triggers:
            if self.triggers.begin(trigger, self.clock.now_ms()) and arrived_ms is not None:
                self.counters.latencies_ms.append(self.clock.now_ms() - arrived_ms + way_ms)

    def _is_silenced(self, trigger: Trigger, now_ms: int) -> bool:
        return silences(self.state, self.site.campaign, trigger.zone, trigger.offer, now_ms)

    def _publish_replies(self, changes: Changes, asker: str | None = None) -> None:
        """Publish replies; without a connection all are dropped, and a device repeats its message until it has one."""
        for reply in changes.replies.messages:
            if reply.device == asker or is_page(reply.device):  # a page has the answer to its request, and no topic
                continue
            topic = f"wayside/v1/{self.site.name}/reply/{reply.device}/{reply.kind}"
            payload = msgspec.json.encode({"v": 1, **reply.body})
            self.bus.publish(Publication(topic, payload, qos=1, expiry_s=reply.expiry_s))

    def _degrade(self, trouble: str) -> None:
        """Log a store failure once and publish it in the status."""
        if not self.counters.trouble:
            log.error("%s", trouble)
        self.counters.trouble = trouble
        self._publish_status("holding")

    def _next_due_ms(self, now_ms: int) -> int:
        return schedule.next_due_ms(self.site, self.state, now_ms, outbox_full=self.store.is_outbox_full())

    def _wait_s(self) -> float:
        """Seconds until the next due time, at most IDLE_S_MAX."""
        now_ms = self.clock.now_ms()
        next_ms = min(self._next_due_ms(now_ms), self._status_at_ms)
        if self._backlog_until_ms is not None:
            next_ms = min(next_ms, self._quiet_at_ms)
        return min(IDLE_S_MAX, max(0.001, (next_ms - now_ms) / 1000))

    def _housekeep(self, now_ms: int, *, is_idle: bool) -> None:
        """Send waiting triggers after a reconnect, store sent triggers and dead letters, load another bundle, publish the status."""
        link = self.bus.link()
        if link.connects != self._connects:
            self._note_lost_queue(link)
            self._connects, self._status_at_ms = link.connects, 0
            if self.echo is not None:
                self.echo.forget()
            self._backlog_until_ms = now_ms + BACKLOG_MS_MAX
            self._quiet_at_ms = now_ms + QUIET_MS
        self._send_echo(now_ms)
        self._send_waiting(now_ms, is_idle=is_idle)
        self.redemptions.repeat(self.store, now_ms)
        self.triggers.contacts.repeat_withdrawn()
        if now_ms >= self._housekeeping_at_ms:
            self._housekeeping_at_ms = now_ms + HOUSEKEEPING_MS
            self._flush()
            self.store.finish_erasure()
            self._replace_key(now_ms)
            self._load_bundle(now_ms)
        if now_ms >= self._times_at_ms:
            self._times_at_ms = now_ms + SAVE_MS
            if self._times_failed:
                self._save_times()
            self._save_heard()
            self._store_dead_letters()
        if now_ms >= self._status_at_ms:
            self._status_at_ms = now_ms + self.status_interval_ms
            self._publish_status("online")

    def _note_lost_queue(self, link: Link) -> None:
        """Log and count MQTT sessions that the broker has lost with the queue, and from when on messages may be missing."""
        is_first = self._connects == 0 and not self._was_here
        lost = 0 if is_first else link.fresh - self._fresh
        self._fresh = link.fresh
        if lost > 0:
            self.counters.counts["queues_lost"] += lost
            log.warning(
                "the broker has lost the MQTT session of this gateway: consents, answers and purchases since %s are missing unless the"
                " devices repeat them; check persistence and session expiry of the broker",
                datetime.fromtimestamp(self._deaf_ms / 1000, UTC).isoformat(timespec="seconds") if self._connects else "its last stop",
            )

    def _replace_key(self, now_ms: int) -> None:
        """Replace the key of the store some time after an erasure, so that copies made before cannot be read."""
        if not self.store.awaits_new_key:
            self._rekey_at_ms = max(self._rekey_at_ms, now_ms + limits.REKEY_AFTER_MS)
        elif now_ms >= self._rekey_at_ms:
            try:
                self.store.replace_key()
                self._rekey_at_ms = now_ms + REKEY_PAUSE * (self.clock.now_ms() - now_ms)
            except StoreFullError as error:
                log.warning("%s", error)
                self._rekey_at_ms = now_ms + limits.REKEY_RETRY_MS

    def _send_waiting(self, now_ms: int, *, is_idle: bool) -> None:
        """Send the waiting triggers once the messages that waited at the broker are read: a withdrawal may be among them."""
        if self._backlog_until_ms is None:
            return
        if not is_idle:
            self._quiet_at_ms = now_ms + QUIET_MS
        if now_ms >= min(self._quiet_at_ms, self._backlog_until_ms):
            self._backlog_until_ms = None
            self.triggers.send_waiting(self.store, now_ms)

    def _load_bundle(self, now_ms: int) -> None:
        """Apply schema, campaign and columns of another bundle that was installed."""
        bundle = self.model_slot.poll(now_ms) if self.model_slot is not None else None
        if bundle is not None:
            columns = bundle.manifest.model.columns
            self.site = msgspec.structs.replace(
                self.site,
                campaign=bundle.campaign,
                rules=bundle.rules,
                schema=bundle.schema,
                columns=columns,
                mined=bundle.mined,
                priors=bundle.priors or (),
                positives=bundle.positives,
            )
            self.triggers.apply_campaign(bundle.campaign)

    def _flush(self) -> None:
        """Store which triggers the broker acknowledged; a crash may lose it."""
        try:
            self.triggers.flush(self.store)
        except StoreFullError as error:
            self._degrade(str(error))

    def _store_dead_letters(self) -> None:
        """Store the refused messages; a crash may lose the newest."""
        try:
            letters = self.router.dead_letters()
            self.store.store_dead_letters([one._replace(detail=self.clean(one.detail)) for one in letters])
            self.router.forget_dead_letters()
        except StoreFullError as error:
            self._degrade(str(error))

    def _publish_status(self, state: str) -> None:
        self.latest = self.status(state)
        topic = f"wayside/v1/{self.site.name}/gateway/{self.site.gateway}/status"
        self.bus.publish(Publication(topic, msgspec.json.encode(retained(self.latest)), qos=1, retain=True))

    def status(self, state: str | None = None) -> GatewayStatus:
        """The status now, in the given state or that of the last one."""
        state = self.latest.state if state is None else state
        status = gateway_status(
            state,
            self.clock.now_ms(),
            self.counters,
            gateway=self.site.gateway,
            link=self.bus.link(),
            router=self.router,
            triggers=self.triggers,
            uplink=self.uplink,
            records_waiting=self.store.backlog(),
            counted=self.store.counted(),
            is_demonstration=self.site.privacy.demonstration,
            mailbox=len(self.mailbox),
            round_trip_ms=self.echo.round_trip_ms(self.clock.now_ms()) if self.echo is not None else None,
            model=self.scorer.version,
            health=self.state.learning.health if self.site.learner is not None else None,
        )
        refused = {self.clean(reason): number for reason, number in status.refused.items()}
        is_double = self.echo is not None and self.echo.has_double(self.clock.now_ms())
        trouble = double_trouble(self.site.gateway) if is_double else self.clean(status.trouble)
        return msgspec.structs.replace(status, trouble=trouble, refused=refused)

    def _close(self) -> None:
        """Stop services and uplink while calls are served, then flush and close. All else is in the store or still at the broker."""
        stopper = threading.Thread(target=self._stop_services)
        stopper.start()
        while stopper.is_alive():
            stopper.join(STOP_POLL_S)
            for call in self.mailbox.take(0, 0.0)[1]:
                call.run(self.store)
        if not self.is_damaged:
            self._flush()
            self._save_heard()
            self._store_dead_letters()
        self._publish_status("offline")
        self.mailbox.close()  # first, because a bus that is blocked by a full mailbox could not disconnect
        self.bus.close()
        self.store.close()

    def _stop_services(self) -> None:
        for service in self.services:
            service.stop()
        if self.uplink is not None:
            self.uplink.stop(UPLINK_STOP_S)
