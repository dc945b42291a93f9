"""A connection with a clean session to a broker named on the command line."""

from __future__ import annotations

import threading
from urllib.parse import urlsplit

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

CONNECT_S_MAX = 5.0


class BrokerError(RuntimeError):
    """The broker cannot be used; the text names the cause and the way out."""


def connect(broker: str) -> paho.Client:
    """A connected client for `mqtt://host:port`, with its network loop running. Raises BrokerError."""
    try:
        address = urlsplit(broker)
        host, port = address.hostname or "", address.port or 1883
    except ValueError:
        address, host, port = urlsplit(""), "", 0
    if address.scheme != "mqtt" or not host:
        raise BrokerError(f"{broker!r} is not the address of a broker; write it as mqtt://host:port")
    connection = paho.Client(CallbackAPIVersion.VERSION2)
    answered = threading.Event()
    connection.on_connect = lambda *_: answered.set()
    connection.on_disconnect = lambda *_: answered.set()
    try:
        connection.connect(host, port)
    except (OSError, ValueError) as error:
        raise BrokerError(f"broker {broker} does not answer ({error}): start it, or correct --broker") from None
    connection.loop_start()
    answered.wait(CONNECT_S_MAX)
    if not connection.is_connected():
        connection.disconnect()
        connection.loop_stop()
        raise BrokerError(f"broker {broker} refuses the connection or does not answer: check its access control")
    return connection
