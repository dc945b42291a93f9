"""A plain connection to a broker that a person named on the command line: no session, nothing kept."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

CONNECT_S_MAX = 5.0


class BrokerError(RuntimeError):
    """The broker cannot be used; the text says what to do."""


def connect(broker: str) -> paho.Client:
    """A connected client whose loop runs, for `mqtt://host:port`. Raises BrokerError."""
    try:
        address = urlsplit(broker)
        host, port = address.hostname or "", address.port or 1883
    except ValueError:
        address, host, port = urlsplit(""), "", 0
    if address.scheme != "mqtt" or not host:
        raise BrokerError(f"{broker!r} is not a broker's address; write it as mqtt://host:port")
    client = paho.Client(CallbackAPIVersion.VERSION2)
    try:
        client.connect(host, port)
    except (OSError, ValueError) as error:
        raise BrokerError(f"broker {broker} does not answer ({error}): start it, or correct --broker") from None
    until = time.monotonic() + CONNECT_S_MAX
    while not client.is_connected() and time.monotonic() < until:
        if client.loop(0.1) != MQTTErrorCode.MQTT_ERR_SUCCESS:
            break
    if not client.is_connected():
        raise BrokerError(f"broker {broker} does not let us in")
    client.loop_start()
    return client
