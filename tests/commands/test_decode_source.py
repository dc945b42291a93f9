"""`wayside decode --source` and `--list`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from gateway.commands.decode.lines import decode_line
from gateway.commands.decode.listing import listing
from tests.kit.gateways import WAYSIDE

MAPPING = """
[[sources]]
topic = "a/+"
speaker = "a/{d}"
[sources.mapping]
values = [{ at = "/temperatur", quantity = "temperature" }]
"""


def test_every_decoder_has_an_example_that_it_reads() -> None:
    for name, example in listing():
        found = json.loads(decode_line(example.encode()))
        assert found["decoder"] == name
        assert found["observations"], name


def test_a_source_of_a_file_decodes_and_a_fault_ends_with_2(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(MAPPING, "utf-8")
    line = b'{"topic": "a/hall", "payload": {"temperature": 20.5}}\n'
    done = subprocess.run([*WAYSIDE, "decode", "--source", str(path)], input=line, capture_output=True, check=True)
    assert json.loads(done.stdout)["observations"][0]["device"] == "hall"
    assert b"did you mean '/temperature'?" in done.stderr
    path.write_text(MAPPING.replace('"temperature"', '"temprature"'), "utf-8")
    done = subprocess.run([*WAYSIDE, "decode", "--source", str(path)], input=line, capture_output=True, check=False)
    assert done.returncode == 2
    assert b"did you mean 'temperature'?" in done.stderr
