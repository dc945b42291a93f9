"""A running demonstration: its links, the port of its broker, and its result at the end."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LINKS = {"desk": "desk", "second": "off a campaign", "page": "your page"}
"""Name -> the text before it in the lines of the demonstration."""


class RunningDemo:
    """The demonstration's process; `links` are those that it prints."""

    def __init__(self, folder: Path, seconds: int) -> None:
        command = [str(Path(sys.executable).with_name("wayside")), "demo", "--port", "0", "--json", "--seconds", str(seconds)]
        environment = {**os.environ, "TMPDIR": str(folder)}
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        self._seconds = seconds
        assert self._process.stderr is not None
        self.links: dict[str, str] = {}
        for line in self._process.stderr:
            self.links |= {name: found[1] for name, text in LINKS.items() if (found := re.search(rf"{text}: (http\S+)", line))}
            if len(self.links) == len(LINKS):
                break
        threading.Thread(target=self._process.stderr.read, daemon=True).start()
        conf = next(folder.glob("wayside-demo-*/mosquitto.conf")).read_text("utf-8")
        self.broker_port = int(re.findall(r"listener (\d+)", conf)[0])

    def result(self) -> dict[str, Any]:
        """Wait for its end; the summary that it prints."""
        out, _ = self._process.communicate(timeout=self._seconds + 60)
        found: dict[str, Any] = json.loads(out.splitlines()[-1])
        return found

    def end(self) -> None:
        """End it now."""
        self._process.terminate()
        self._process.wait(60)


@contextmanager
def running_demo(seconds: int) -> Iterator[RunningDemo]:
    """A demonstration in a folder of its own; it is ended with the block."""
    with tempfile.TemporaryDirectory() as folder:
        demo = RunningDemo(Path(folder), seconds)
        try:
            yield demo
        finally:
            demo.end()
