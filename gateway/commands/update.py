"""`wayside update`: a newer version of the program from signed releases, tried out before it stays."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.adapters.bundle import APP_VERSION
from gateway.adapters.clock import SystemClock
from gateway.commands.options import command_app
from gateway.core.limits import CLOCK_FLOOR_MS
from gateway.update.archive import Release, ReleaseError, unpack
from gateway.update.client import Source
from gateway.update.device import FOLDER, STAGED, here
from gateway.update.launch import PID_FILE
from gateway.update.slots import PACKAGE, Slots, Trial

if TYPE_CHECKING:
    from collections.abc import Iterator

command = command_app()
TRIAL_S_MAX = 300.0
POLL_S = 0.1


@command.command()
def update(
    source: Annotated[str, typer.Option("--from", help="address or folder (a USB stick) of the repository of releases")],
    root: Annotated[Path, typer.Option("--root", help="folder of the versions")] = FOLDER,
    ca_file: Annotated[Path | None, typer.Option("--ca-file", help="certificate authority of the repository's server")] = None,
    *,
    again: Annotated[bool, typer.Option("--again", help="try a version again that was taken back")] = False,
    staged: Annotated[bool, typer.Option("--staged", help=STAGED)] = False,
) -> None:
    """Install the newest signed release for this machine, and try it out: it stays if the gateway proves itself with it.

    Needs the launcher, which the package's unit starts; it returns to the version before otherwise. After an interruption the same
    command goes on. Exit code 0: the newest version runs.

    Example: `wayside update --from /media/usb/releases`
    """
    slots = Slots(root)
    try:
        slots.make()
        with _alone(root):
            trial = _waiting(slots)
            if trial is None:
                release = _chosen(Source(source, root, ca_file), slots, here(staged=staged), again=again)
                if release is None:
                    return
                slots.begin(release.version)
                trial = slots.state().trial
            typer.echo(_outcome(slots, trial))
    except PermissionError as error:
        raise ReleaseError("the program belongs to root", "run the command with sudo", place=str(error.filename or root)) from None
    except OSError as error:
        way_out = "the version in use stays, and the same command begins anew"
        raise ReleaseError(str(error.strerror), way_out, place=str(error.filename or root)) from None


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Raises ReleaseError while another update runs."""
    descriptor = os.open(root / "update.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ReleaseError("another update is running: wait for its end") from None
    finally:
        os.close(descriptor)


def _waiting(slots: Slots) -> Trial | None:
    """The trial that an interrupted update left, or None."""
    trial = slots.state().trial
    return trial if trial is not None and trial.slot == slots.current() else None


def _chosen(source: Source, slots: Slots, place: int, *, again: bool) -> Release | None:
    """Put the newest release into the free slot; None if it runs already, or was taken back. Raises ReleaseError, OSError."""
    if SystemClock().now_ms() < CLOCK_FLOOR_MS:
        raise ReleaseError("the clock of this machine is not set: without it withheld updates are not noticed; wait for the time server")
    release, state = source.newest(place), slots.state()
    running = APP_VERSION if slots.current() == PACKAGE else state.version
    if release is None or release.order <= tuple(int(part) for part in running.split(".")):
        typer.echo(f"{running} is the newest version")
        return None
    if release.version in state.refused and not again:
        reason = state.refused[release.version]
        raise ReleaseError(f"{release.version} was taken back before ({reason}): a newer version is needed, or --again tries it once more")
    typer.echo(f"installing {release.version} beside {running}")
    made = slots.root / "unpacked"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    try:
        unpack(source.fetch(release.file), made, release)
        slots.fill(made)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return release


def _outcome(slots: Slots, trial: Trial | None) -> str:
    """Have the launcher try the version out, and wait for the end of the trial. Raises ReleaseError if it is taken back."""
    assert trial is not None
    pause = threading.Event()
    with suppress(OSError, ValueError):
        number = int((slots.changing / PID_FILE).read_text())
        if b"gateway.update.launch" in Path(f"/proc/{number}/cmdline").read_bytes():  # the number may be another process's by now
            os.kill(number, signal.SIGUSR1)
    for _ in range(int(TRIAL_S_MAX / POLL_S)):
        state = slots.state()
        if state.trial is None:
            if state.version == trial.version:
                return f"{trial.version} runs"
            raise ReleaseError(f"{trial.version} was taken back: {state.refused.get(trial.version, 'it was interrupted')}")
        pause.wait(POLL_S)
    raise ReleaseError(f"{trial.version} waits for its trial: start the gateway with the launcher, and repeat the command")
