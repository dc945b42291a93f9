"""All connections that a gateway opens in a simulated day: to its broker and its cloud, and to no other address.

The whole process runs under `strace`, so that connections of libraries in C count too; the simulator publishes the street's day at
SPEED-fold time, and a cloud takes the records.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.kit.broker import mosquitto
from tests.kit.cloud import FakeCloud
from tests.kit.gateways import WAYSIDE, GatewayProcess, write_config
from tests.rigs.report import Progress, Report, quiet

SPEED = 720  # a day in two minutes
CLOUD = '\n[cloud]\nurl = "http://127.0.0.1:{port}"\ntoken_file = "token"\ninterval_s = 5\n'
CALL = re.compile(r"\b(?:connect|sendto|sendmsg)\(.*?\{sa_family=(AF_\w+)(?:, (.*?))?\}")
PLACE = re.compile(r'sin6?_port=htons\((\d+)\).*?(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]+)"')


def run(count: int, seed: int, progress: Progress = quiet) -> Report:
    """Simulate `count` hours."""
    strace = shutil.which("strace")
    if strace is None:
        return Report({}, ("strace is not installed: apt install strace",))
    with tempfile.TemporaryDirectory(prefix="wayside-connects-") as name, FakeCloud() as cloud, mosquitto(Path(name)) as broker:
        folder = Path(name)
        config = write_config(folder / "gateway", broker.port, more=CLOUD.format(port=cloud.port))
        (config.parent / "token").write_text("secret-token\n")
        trace = folder / "trace"
        traced = [strace, "-f", "-qq", "-s", "128", "-e", "trace=connect,sendto,sendmsg", "-o", str(trace), *WAYSIDE]
        with GatewayProcess(config, traced) as gateway:
            gateway.start()
            for _ in range(count):
                seconds = 3_600 / SPEED
                words = ["run", "street", "--broker", broker.url, "--seed", str(seed), "--seconds", str(seconds), "--speed", str(SPEED)]
                subprocess.run([sys.executable, "-m", "firmware_sim.cli", *words], check=True, capture_output=True)
                progress("simulated hours")
            gateway.stop()
        named = {f"127.0.0.1:{broker.port}": "broker", f"127.0.0.1:{cloud.port}": "cloud"}
        found = Counter(named.get(place, place) for place in places(trace.read_text("utf-8", "replace")))
        messages, batches = gateway.latest["messages"], len(cloud.requests)
    broken = [f"{number} connections to {place}" for place, number in found.items() if place not in {"broker", "cloud"}]
    if not messages or not batches:
        broken.append(f"{messages} messages arrived, and {batches} batches left: nothing was tried")
    figures = {"hours": count, "messages": messages, "batches": batches, **{f"connections to {place}": n for place, n in found.items()}}
    return Report(figures, tuple(broken))


def places(trace: str) -> list[str]:
    """The address of each connection and of each datagram; a socket of this machine counts as its kind."""
    found = []
    for call in CALL.finditer(trace):
        place = PLACE.search(call[2] or "")
        if call[1] == "AF_UNIX":
            found.append(f"a local socket, {call[2]}")
        elif call[1] in {"AF_INET", "AF_INET6"}:
            found.append(f"{place[2]}:{place[1]}" if place else call[0])
    return found
