"""ONNX Runtime on the workstation: as on a gateway, without telemetry."""

from __future__ import annotations

import os
import subprocess
import sys

CHECK = """
import os, sys
from models.imported import graph, importing, session, encoders, table
print("onnxruntime" in sys.modules, os.environ["ORT_DISABLE_TELEMETRY"])
"""


def test_telemetry_is_off_before_the_runtime_is_imported() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in {"ORT_DISABLE_TELEMETRY", "CI"}}
    done = subprocess.run([sys.executable, "-c", CHECK], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "1"]
