"""Processor time of receiving a message, by the gateway's own MQTT codec and by paho: `python -m tests.broker.receive_cost`.

A child process publishes MESSAGES sightings of QoS 0 through a real Mosquitto; this process receives them into a mailbox, which a second
thread empties in batches as the gateway does, and nothing else. Rounds of both clients alternate. Processor time of this process is
measured, so that other load counts little; broker, publisher, decoding and decisions are not included.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from gateway.adapters.mqtt import MqttBus
from gateway.adapters.mqtt_options import MqttOptions
from gateway.adapters.mqtt_paho import PahoBus
from gateway.runtime.mailbox import Mailbox
from tests.kit.broker import MosquittoBroker
from tests.kit.waiting import until

MESSAGES = 40_000
ROUNDS = 5
KINDS: dict[str, type[MqttBus | PahoBus]] = {"own": MqttBus, "paho": PahoBus}
PUBLISH = """
import sys
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
client = paho.Client(CallbackAPIVersion.VERSION2)
client.connect("127.0.0.1", int(sys.argv[1]))
client.loop_start()
payload = b'{"v":1,"boot":"b1","seq":1,"heard":"iBeacon:5a1e0000-0000-4000-8000-0000000000ff-1000-7","rssi_dbm":-61.5}'
for number in range(int(sys.argv[2])):
    client.publish(f"wayside/v1/street/up/scan-{number % 40}/sighting", payload)
client.publish("end", b"", qos=1).wait_for_publish()
client.disconnect()
"""


def processor_us(kind: type[MqttBus | PahoBus], port: int) -> float:
    """Microseconds of processor time a message, of one round."""
    mailbox, received = Mailbox(4_096), 0
    bus = kind(MqttOptions("127.0.0.1", port, "gw", (), ("wayside/#", "end")), lambda: time.time_ns() // 1_000_000)
    bus.start(mailbox.deliver)
    until(lambda: bus.link().connected)
    done = threading.Event()

    def take() -> None:
        nonlocal received
        while not done.is_set():
            messages, _ = mailbox.take(256, 0.2)
            received += len(messages)
            if any(message.topic == "end" for message in messages):
                done.set()

    taker = threading.Thread(target=take)
    taker.start()
    before_s = time.process_time()
    subprocess.run([sys.executable, "-c", PUBLISH, str(port), str(MESSAGES)], check=True)
    taker.join()
    spent_s = time.process_time() - before_s
    bus.close()
    mailbox.close()
    if received < MESSAGES:
        raise RuntimeError(f"{received} of {MESSAGES} messages arrived: the broker dropped some")
    return spent_s / received * 1e6


def main() -> None:
    """Print the median and the spread of both, and the ratio of the medians."""
    with tempfile.TemporaryDirectory() as folder:
        broker = MosquittoBroker(Path(folder), lines=("max_queued_messages 0",))
        broker.start()
        rounds: dict[str, list[float]] = {name: [] for name in KINDS}
        for _ in range(ROUNDS):
            for name, kind in KINDS.items():
                rounds[name].append(processor_us(kind, broker.port))
        broker.kill()
    for name, found in rounds.items():
        sys.stdout.write(
            f"{name:5} {statistics.median(found):6.1f} µs a message ({min(found):.1f} … {max(found):.1f}), {ROUNDS} rounds of {MESSAGES}\n"
        )
    sys.stdout.write(f"paho takes {statistics.median(rounds['paho']) / statistics.median(rounds['own']):.1f} times as long\n")


if __name__ == "__main__":
    main()
