"""One connection to the broker: a loop on one thread that reads and writes, and a buffer into which other threads put packets.

The loop reads up to 256 kB at once, decodes all whole packets and passes their messages on as one list. While `deliver` has no room nothing
is read, messages wait at the broker, and the loop goes on sending packets and PINGREQ, so a full gateway keeps its connection.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from typing import TYPE_CHECKING

from gateway.core.mqtt.encoder import disconnect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.adapters.mqtt_wire import Wire
    from gateway.core.bus import Deliver, Publication
    from gateway.core.mqtt.packets import ConnAck
    from gateway.core.mqtt.session import Received, Session
    from gateway.core.types import Message

HOLD_S = 0.02  # how often a full receiver is asked again
PROBE_S = 5.0  # silence of the broker after which it is asked for an answer: without one, silence of people means nothing
LAST_PUBACK_S_MAX = 5.0  # wait at the end for the broker to acknowledge the last publication
LAST_READ_S_MAX = 1.0  # wait at the end for the broker to close
SESSION_TAKEN_OVER = 0x8E  # DISCONNECT, MQTT 5.0 table 3-13
OUT_BYTES_MAX = 4_194_304  # waiting to be sent: beyond it a broker that reads no more gets no more


class Connection:
    """Opened by `run`. `connected` is called with CONNACK, `subscribed` after SUBACK for all filters, `trouble` with the text of a refusal.

    `heard_ms` is the time at which the broker last sent anything, after the messages in it were delivered.
    """

    def __init__(
        self,
        wire: Wire,
        session: Session,
        deliver: Deliver,
        now_ms: Callable[[], int],
        *,
        connected: Callable[[ConnAck], None],
        subscribed: Callable[[], None],
        trouble: Callable[[str], None],
    ) -> None:
        self._wire = wire
        self._session = session
        self._deliver = deliver
        self._now_ms = now_ms
        self._connected = connected
        self._subscribed = subscribed
        self._trouble = trouble
        self._lock = threading.Lock()  # of the session and the four below
        self._out = bytearray()
        self._taken: list[str] = []
        self._is_woken = self._is_over = False
        self._closing_s: float | None = None
        self._woken, self._waker = socket.socketpair()
        self._held: list[Message] = []
        self._sent_s = self._heard_s = time.monotonic()
        self.heard_ms = now_ms()

    # --- for other threads -------------------------------------------------------------------------------

    def subscribe(self, wanted: Sequence[tuple[str, int]], unwanted: Sequence[str] = ()) -> None:
        """Unsubscribe from the unwanted filters, which an older session may hold, and subscribe to (topic filter, highest QoS)."""
        with self._lock:
            if unwanted:
                self._put(self._session.unsubscribe(unwanted))
            if wanted:
                self._put(self._session.subscribe(wanted))

    def publish(self, publication: Publication) -> bool:
        """Send a publication; False if too much waits, or if the broker does not take it."""
        with self._lock:
            if self._is_over or len(self._out) > OUT_BYTES_MAX:
                return False
            packet = self._session.publish(publication)
            if packet is None:
                if self._session.fault:
                    self._trouble(self._session.fault)
                return False
            self._put(packet)
            return True

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Acknowledge the messages that came over this connection."""
        with self._lock:
            self._put(self._session.acknowledge(messages))

    def taken(self) -> list[str]:
        """Tokens of publications that the broker acknowledged since the last call."""
        with self._lock:
            tokens, self._taken = self._taken, []
            return tokens

    def close(self) -> None:
        """Have the loop end after the last PUBACK."""
        with self._lock:
            self._closing_s = time.monotonic()
            self._wake()

    def _put(self, data: bytes) -> None:
        if data:
            self._out += data
            self._wake()

    def _wake(self) -> None:
        if not (self._is_woken or self._is_over):
            self._is_woken = True
            self._waker.send(b"\0")

    # --- the loop ----------------------------------------------------------------------------------------

    def run(self, connect: bytes, connack_s: float, keepalive_s: int) -> None:
        """Send CONNECT, then read and write until closed.

        Raises TimeoutError without CONNACK within `connack_s`, ProtocolFaultError, and OSError when the connection breaks.
        """
        self._out += connect
        connack_by_s = time.monotonic() + connack_s
        with self._woken, self._waker, selectors.DefaultSelector() as selector:
            selector.register(self._woken, selectors.EVENT_READ)
            selector.register(self._wire, selectors.EVENT_READ)
            try:
                while not self._is_finished():
                    events = self._wait(selector, keepalive_s)
                    self._read(is_ready=bool(events & selectors.EVENT_READ))
                    if not self._session.is_connected and time.monotonic() > connack_by_s:
                        raise TimeoutError("it sent no CONNACK")
                    self._keep_alive(self._session.keepalive_s or keepalive_s)
                self._say_goodbye(selector)
            finally:
                with self._lock:
                    self._is_over = True

    def _wait(self, selector: selectors.BaseSelector, keepalive_s: int) -> int:
        """Write, and wait until there is something to do; the events of the socket."""
        with self._lock:
            if self._out:
                self._wire.write(self._out)
                self._sent_s = time.monotonic()
            wants = (0 if self._held else selectors.EVENT_READ) | (selectors.EVENT_WRITE if self._out else 0)
        if wants:
            selector.modify(self._wire, wants) if self._wire in selector.get_map() else selector.register(self._wire, wants)
        elif self._wire in selector.get_map():
            selector.unregister(self._wire)
        events = 0
        for key, mask in selector.select(HOLD_S if self._held else min(1.0, keepalive_s / 2)):
            if key.fileobj is self._wire:
                events = mask
            else:
                with self._lock:
                    self._woken.recv(64)
                    self._is_woken = False
        return events

    def _read(self, *, is_ready: bool) -> None:
        if self._held:
            if not self._deliver(self._held):
                return
            self._held = []
            is_ready = True
        if not is_ready:
            return
        data = self._wire.read()
        if not data:
            return
        self._heard_s = time.monotonic()
        now_ms = self._now_ms()
        with self._lock:
            received = self._session.feed(data, now_ms)
            self._taken += received.taken
            self._put(received.answer)
        self._report(received)
        if received.messages and self._closing_s is None and not self._deliver(received.messages):
            self._held = received.messages
        else:
            self.heard_ms = now_ms

    def _report(self, received: Received) -> None:
        if received.connack is not None:
            self._connected(received.connack)
        if received.is_subscribed:
            self._subscribed()
        if received.denied:
            self._trouble(f"the broker refuses the subscription to {', '.join(received.denied)}: check its access control list")
        if received.refused is not None:
            self._trouble(f"the broker refuses a publication (reason {received.refused:#04x}): check its access control list")
        if received.disconnect is not None:
            reason = received.disconnect.reason
            if reason == SESSION_TAKEN_OVER:
                raise ConnectionError("another client connected with the same client id: two gateways of one site may have the same name")
            raise ConnectionError(f"the broker disconnects, reason {reason:#04x}")

    def _keep_alive(self, keepalive_s: int) -> None:
        """PINGREQ while the broker is silent, or after half the keep-alive without a packet of our own.

        Raises TimeoutError without any answer for the whole keep-alive: the connection is dead.
        """
        now_s = time.monotonic()
        if not keepalive_s:
            return
        is_silent = now_s - self._heard_s > min(PROBE_S, keepalive_s / 2) and not self._session.is_ping_overdue
        if is_silent or now_s - self._sent_s > keepalive_s / 2:
            with self._lock:
                self._put(self._session.ping())
        if not self._held and self._session.is_ping_overdue and now_s - self._heard_s > keepalive_s:
            raise TimeoutError(f"the broker has been silent for {keepalive_s} s")

    # --- the end -----------------------------------------------------------------------------------------

    def _is_finished(self) -> bool:
        """Whether the bus is closing, and the last PUBACK has arrived or was waited for long enough."""
        with self._lock:
            if self._closing_s is None:
                return False
            self._held = []
            is_late = time.monotonic() - self._closing_s > LAST_PUBACK_S_MAX
            return is_late or not self._session.is_connected or not (self._session.is_waiting or self._out)

    def _say_goodbye(self, selector: selectors.BaseSelector) -> None:
        """Send DISCONNECT and read to the end.

        A connection that is closed with bytes unread is reset, and a broker that finds it reset sends the last will.
        """
        with self._lock:
            self._out += disconnect(self._session.version)
            self._wire.write(self._out)
        self._wire.finish()
        if self._wire not in selector.get_map():
            selector.register(self._wire, selectors.EVENT_READ)
        selector.modify(self._wire, selectors.EVENT_READ)
        selector.unregister(self._woken)
        until_s = time.monotonic() + LAST_READ_S_MAX
        while (left_s := until_s - time.monotonic()) > 0 and selector.select(left_s):
            try:
                self._wire.read()
            except OSError:
                return
