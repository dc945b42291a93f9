"""Runs commands in a child process without CI variables, and watches the files that it writes and the connections that it opens.

A file outside of the allowed folders is found in two ways: Python's own writes by an audit hook, and those of native libraries, because
HOME and TMPDIR are folders that must stay empty. A network socket of any library ends the child: seccomp kills it (Linux). With `peers`,
which the command line names, connections to these are allowed, and an audit hook ends the child at any other.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.house import tree

BROKEN = 91  # exit code
CODE = "exit code "
CHILD_S_MAX = 120
GUARD = "ORT_DISABLE_TELEMETRY"


class Seen(NamedTuple):
    """The end of a child: the exit code of each command line that it finished, its output, and all that it did and must not do."""

    codes: list[int]
    text: str
    broken: list[str]


def run(lines: Sequence[str], folder: Path, *, peers: Sequence[int] = (), guarded: bool = True) -> Seen:
    """Run `wayside LINE` for each line, one after the other, in one child in `folder`, the only one in which it may write.

    `peers` are ports of this machine that it may connect to. Without `guarded` the variable that stops the model runtime's telemetry is
    not set.
    """
    home = folder.parent / f"{folder.name}-home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    settings = (str(folder), ",".join(map(str, peers)), "" if guarded else GUARD)
    done = subprocess.run(
        [sys.executable, "-m", "tests.kit.watched", *settings, *lines],
        cwd=folder,
        env={
            "HOME": str(home),
            "TMPDIR": str(home),
            "PYTHONPATH": str(tree.ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PATH": os.environ["PATH"],
        },
        capture_output=True,
        text=True,
        timeout=CHILD_S_MAX,
        check=False,
    )
    codes = [int(line.removeprefix(CODE)) for line in done.stdout.splitlines() if line.startswith(CODE)]
    running = lines[len(codes)] if len(codes) < len(lines) else ""
    broken = [f"wrote {path.relative_to(home)}" for path in sorted(home.rglob("*"))]
    if done.returncode < 0:
        broken.append(f"{running}: ended by signal {-done.returncode}, because it opened a network socket")
    elif running:
        broken.append(f"{running}: {done.stderr.strip().splitlines()[-1]}")
    return Seen(codes, done.stdout + done.stderr, broken)


# --- in the child ----------------------------------------------------------------------------------------------

BPF_LOAD, BPF_EQUAL, BPF_RETURN = 0x20, 0x15, 0x06
KILL, ALLOW = 0x80000000, 0x7FFF0000
SOCKET = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""Machine -> its number in seccomp (linux/audit.h), and that of the system call socket."""
INET, INET6 = 2, 10


def forbid_sockets() -> None:
    """From now on a socket of IPv4 or IPv6 ends this process. Raises OSError if the kernel does not allow it."""
    import ctypes  # noqa: PLC0415 - in the child only

    machine, call = SOCKET[os.uname().machine]
    rules = [
        (BPF_LOAD, 0, 0, 4),
        (BPF_EQUAL, 0, 6, machine),
        (BPF_LOAD, 0, 0, 0),
        (BPF_EQUAL, 0, 4, call),
        (BPF_LOAD, 0, 0, 16),
        (BPF_EQUAL, 1, 0, INET),
        (BPF_EQUAL, 0, 1, INET6),
        (BPF_RETURN, 0, 0, KILL),
        (BPF_RETURN, 0, 0, ALLOW),
    ]

    class Rule(ctypes.Structure):
        _fields_ = (("code", ctypes.c_ushort), ("yes", ctypes.c_ubyte), ("no", ctypes.c_ubyte), ("value", ctypes.c_uint32))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("rules", ctypes.POINTER(Rule)))

    program = Program(len(rules), (Rule * len(rules))(*(Rule(*one) for one in rules)))
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(38, 1, 0, 0, 0) or library.prctl(22, 2, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp is not allowed here")


def watch(folder: str, ports: Sequence[int]) -> None:
    """End this process at a write outside of `folder`, and at a connection to another port than these."""

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str) and isinstance(arguments[2], int):
            path = os.path.realpath(arguments[0])
            if arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and not path.startswith((os.path.realpath(folder) + "/", "/dev/")):
                _end(f"wrote {path}")
        elif event == "socket.connect" and isinstance(arguments[1], tuple) and arguments[1][1] not in ports:
            _end(f"connected to {arguments[1]}")

    sys.addaudithook(hook)


def _end(text: str) -> None:
    os.write(2, f"\n{text}\n".encode())
    os._exit(BROKEN)


def child() -> None:
    """Run the command lines behind the three settings of `run`."""
    folder, peers, unset = sys.argv[1:4]
    ports = [int(port) for port in peers.split(",") if port]
    if not ports:
        forbid_sockets()
    watch(folder, ports)
    if unset:
        set_item = type(os.environ).__setitem__
        os.environ.__class__.__setitem__ = lambda self, name, value: None if name == unset else set_item(self, name, value)  # type: ignore[method-assign]
    from gateway.cli import main  # noqa: PLC0415 - after the hook

    for line in sys.argv[4:]:
        sys.argv = ["wayside", *line.split()]
        try:
            main()
        except SystemExit as end:
            sys.stdout.write(f"\n{CODE}{end.code or 0}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    child()
