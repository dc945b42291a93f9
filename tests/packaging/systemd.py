"""The package under a real systemd: installed, updated from a stick, and taken back; the figures of each step as JSON.

    python -m tests.packaging.systemd dist/wayside_0.1.0_amd64.deb --root FOLDER

As root on a Debian of the package's release, with `debootstrap` and `systemd-container`; `--root` is made by debootstrap if it does not
exist, and stays. The releases hold the installed program in other versions: one that works, one that ends at its start, and one that never
stores. The first has the size of a real release; the others refer to the libraries of the package.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from gateway.update.archive import Release, here, pack
from gateway.update.repository import Repository
from tests.kit.waiting import until

MACHINE = "wayside-try"
PACKAGES = "systemd,systemd-sysv,dbus,ca-certificates,iproute2,procps,python3"
PATHS = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
BOOT_S, START_S = 300.0, 600.0
CONFIG = "/etc/wayside/wayside.toml"
ENDS = 'raise SystemExit("this version does not work")\n'
HOLDS = "import time\ntime.sleep(3600)\n"


class Kind(NamedTuple):
    """A release: its version, the text of its `cli.py` (empty: the program), and whether it holds all libraries."""

    version: str
    cli: str
    is_whole: bool


KINDS = (Kind("0.2.0", "", is_whole=True), Kind("0.3.0", ENDS, is_whole=False), Kind("0.4.0", HOLDS, is_whole=False))


class Machine:
    """A booted root."""

    def __init__(self, root: Path, log: Path) -> None:
        self.root = root
        words = ["systemd-nspawn", "-q", "-D", str(root), "--boot", f"--machine={MACHINE}", "--register=no", "--keep-unit"]
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [*words, "--private-network", "--resolv-conf=off"], stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )

    def is_up(self) -> bool:
        """Whether it has booted."""
        return self.run("systemctl is-system-running").stdout.strip() in {"running", "degraded"}

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a shell command inside."""
        first = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        words = [
            "nsenter",
            "-t",
            (first or ["0"])[0],
            "-m",
            "-u",
            "-i",
            "-n",
            "-p",
            "--",
            "/usr/bin/env",
            "-i",
            PATHS,
            "HOME=/",
            "sh",
            "-c",
        ]
        return subprocess.run([*words, command], capture_output=True, text=True, check=False)

    def checked(self, command: str) -> str:
        """Run a shell command that has to succeed."""
        done = self.run(command)
        if done.returncode:
            raise SystemExit(f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def stop(self) -> None:
        """Switch the machine off."""
        self.run("systemctl poweroff")
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(60)
        self._process.kill()
        self._process.wait()


@contextmanager
def booted(root: Path, log: Path) -> Iterator[Machine]:
    """A machine that is switched off at the end."""
    machine = Machine(root, log)
    try:
        until(machine.is_up, BOOT_S, describe=log.read_text)
        yield machine
    finally:
        machine.stop()


def installed(root: Path, package: Path) -> float:
    """Make the root if it does not exist, and install package and broker; seconds of `apt install`."""
    if not root.exists():
        subprocess.run(
            ["/usr/sbin/debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(root)], check=True, stdout=sys.stderr
        )
    shutil.copy(package, root / "media" / "wayside.deb")
    with suppress(FileNotFoundError):
        (root / "etc" / "machine-id").unlink()
    (root / "etc/systemd/system/systemd-networkd-wait-online.service").unlink(missing_ok=True)
    (root / "etc/systemd/system/systemd-networkd-wait-online.service").symlink_to("/dev/null")  # the machine has no network
    for setting in Path("/etc/apt/apt.conf.d").glob("*proxy*"):
        shutil.copy(setting, root / "etc/apt/apt.conf.d")
    begun = time.monotonic()
    install = "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --reinstall /media/wayside.deb mosquitto"
    subprocess.run(["/usr/sbin/chroot", str(root), "sh", "-c", install], check=True, stdout=sys.stderr, stderr=subprocess.DEVNULL)
    return time.monotonic() - begun


def repository_of(kind: Kind, root: Path, folder: Path) -> Path:
    """A signed repository with one release of the installed program, at a place that the machine sees as a stick."""
    site = next((root / "opt/wayside/lib").glob("python*/site-packages"))
    made, place = folder / kind.version, root / "media" / f"usb-{kind.version}"
    shutil.rmtree(place, ignore_errors=True)
    if kind.is_whole:
        shutil.copytree(site, made)
    else:
        shutil.copytree(site / "gateway", made / "gateway")
        (made / "distributions.pth").write_text(f"/{site.relative_to(root)}\n")
    version = made / "gateway/adapters/bundle.py"
    version.write_text(version.read_text().replace('APP_VERSION = "0.1.0"', f'APP_VERSION = "{kind.version}"'))
    if kind.cli:
        (made / "gateway/cli.py").write_text(kind.cli)
    for cache in list(made.rglob("__pycache__")):
        shutil.rmtree(cache)
    repository, now = Repository(place, folder / f"keys-{kind.version}"), datetime.now(UTC)
    place.parent.mkdir(exist_ok=True)
    repository.begin(now)
    repository.add(pack(made, Release(kind.version, *here()), folder, 0), now)
    shutil.rmtree(made)
    return Path("/") / place.relative_to(root)


def prepared(machine: Machine) -> float:
    """Set the site up and start the service; seconds."""
    begun = time.monotonic()
    machine.checked(f"wayside init /etc/wayside --state /var/lib/wayside --site street --name shop --secure >&2 || test -e {CONFIG}")
    machine.checked("systemctl restart mosquitto && systemctl enable --now wayside wayside-authority")
    machine.checked(f"wayside status --config {CONFIG}")
    return time.monotonic() - begun


def updated(machine: Machine, source: Path, version: str) -> dict[str, object]:
    """Update from a repository; its outcome, its seconds, and for a version that was taken back those until the one before is connected."""
    program = "/var/lib/wayside-program"
    machine.checked(f"rm -rf {program}/metadata {program}/download && cp {source}/metadata/1.root.json {program}/trusted.json")
    before, begun = main_process(machine), time.monotonic()
    since = machine.checked("date '+%Y-%m-%d %H:%M:%S'").strip()
    done = machine.run(f"wayside update --from {source}")
    found: dict[str, object] = {"version": version, "outcome": (done.stdout + done.stderr).strip().splitlines()[-1]}
    found["seconds"] = round(time.monotonic() - begun, 1)

    def connected() -> bool:
        return machine.run(f"wayside status --config {CONFIG}").returncode == 0

    until(connected, START_S, describe=lambda: machine.run("journalctl -u wayside -n 30 --no-pager").stdout)
    if done.returncode:
        found["rollback_s"] = rollback_s(machine, since)
    found["slot"] = machine.run(f"readlink {program}/state/current").stdout.strip()
    found["service_went_on"] = main_process(machine) == before
    return found


def main_process(machine: Machine) -> str:
    """The main process of the service, and how often systemd has restarted it."""
    return machine.checked("systemctl show -p MainPID -p NRestarts wayside")


def rollback_s(machine: Machine, since: str) -> float:
    """Seconds from the decision of the launcher to the connection of the version before, by the journal."""
    lines = machine.checked(f"journalctl -u wayside --since '{since}' -o json --no-pager").splitlines()
    taken_s = connected_s = 0.0
    for line in lines:
        entry = json.loads(line)
        text, at_s = str(entry["MESSAGE"]), int(entry["__REALTIME_TIMESTAMP"]) / 1e6
        if "is taken back" in text:
            taken_s, connected_s = at_s, 0.0
        elif "connected with" in text and taken_s and not connected_s:
            connected_s = at_s
    return round(connected_s - taken_s, 1)


def reloaded(machine: Machine, seconds: float) -> bool:
    """Whether the service goes on after a reload, longer than its time to stop."""
    before = main_process(machine)
    machine.checked("systemctl reload wayside")
    threading.Event().wait(seconds)
    return main_process(machine) == before and machine.run(f"wayside status --config {CONFIG}").returncode == 0


def main() -> None:
    """Read the command line, run all steps, and print the figures."""
    parser = argparse.ArgumentParser(description="The package under a real systemd: install, update, taken back; figures as JSON.")
    parser.add_argument("package", type=Path)
    parser.add_argument("--root", type=Path, required=True, help="folder of the machine; made if absent")
    parser.add_argument("--reload-s", type=float, default=70.0, help="seconds to watch the service after a reload")
    found = parser.parse_args()
    figures: dict[str, object] = {"apt_s": round(installed(found.root, found.package), 1)}
    with tempfile.TemporaryDirectory(prefix="wayside-systemd-") as name:
        folder = Path(name)
        sources = [repository_of(kind, found.root, folder) for kind in KINDS]
        with booted(found.root, folder / "boot.log") as machine:
            figures["init_and_start_s"] = round(prepared(machine), 1)
            figures["updates"] = [updated(machine, source, kind.version) for source, kind in zip(sources, KINDS, strict=True)]
            figures["goes_on_after_a_reload"] = reloaded(machine, found.reload_s)
            figures["exposure"] = machine.checked("systemd-analyze security wayside.service --no-pager").split()[-3]
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
