"""Processor time of whole short commands, from the start of the interpreter to the end."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from gateway.commands.demo.processes import DemoError, program

RUNS = 3


def starts(config: Path) -> dict[str, list[float]]:
    """Command -> seconds of processor time with that of its children, one figure for each of RUNS runs; only installed commands.

    A run before these writes the compiled modules, as an installed package has them.
    """
    commands = {
        "wayside --help": ("wayside", "--help"),
        "wayside check": ("wayside", "check", "--config", str(config)),
        "wayside-models --help": ("wayside-models", "--help"),
    }
    found: dict[str, list[float]] = {}
    for name, (command, *arguments) in commands.items():
        try:
            path = program(command)
        except DemoError:
            continue
        found[name] = [_cpu_s([path, *arguments]) for _ in range(RUNS + 1)][1:]
    return found


def _cpu_s(command: list[str]) -> float:
    """Raises DemoError if the command fails."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)  # noqa: S603 - our own programs
    assert process.stderr is not None
    text = process.stderr.read().decode(errors="replace")
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        raise DemoError(f"{' '.join(command)} failed: {text.strip()[-200:]}")
    return used.ru_utime + used.ru_stime
