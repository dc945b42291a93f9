"""The Debian package as a whole: built, unpacked, and used from where it was unpacked."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.house.tree import ROOT

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(shutil.which("dpkg-deb") is None or not Path("/usr/bin/python3").exists(), reason="this is no Debian"),
]

INSTALLED_AT = "/opt/wayside"
INSTALLED_MB_MAX = 165
SECONDS_MAX = 1_200


def _run(*words: str | Path, **environment: str) -> str:
    done = subprocess.run(words, env=os.environ | environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=SECONDS_MAX)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_package_is_whole_and_runs(tmp_path: Path) -> None:
    _run("/usr/bin/make", "wheels")
    wheel = next((ROOT / "dist").glob("wayside-*-py3-none-any.whl"))
    package = Path(_run("/bin/sh", "packaging/build-deb.sh", wheel, PYTHON="/usr/bin/python3").splitlines()[-1].split(" ")[1].rstrip(","))
    root = tmp_path / "root"
    _run("/usr/bin/dpkg-deb", "-x", package, root)
    listed = _run("/usr/bin/dpkg-deb", "-c", package).splitlines()
    assert all(line.split()[1] == "root/root" for line in listed)
    prefix = root / INSTALLED_AT[1:]
    assert sum(path.lstat().st_blocks for path in prefix.rglob("*")) * 512 / 1e6 <= INSTALLED_MB_MAX
    for file in [prefix / "pyvenv.cfg", *(path for path in (prefix / "bin").iterdir() if path.is_file() and not path.is_symlink())]:
        assert f"/root{INSTALLED_AT}" not in file.read_text("utf-8"), file
    assert (prefix / "bin/wayside").read_text("utf-8").startswith(f"#!{INSTALLED_AT}/bin/python")
    python = prefix / "bin/python"
    started = _run(python, "-m", "gateway.cli", "check", "--config", prefix / "share/wayside/worlds/mall/gw-a.toml")
    assert ": fine. " in started
    assert (root / "usr/bin/wayside").readlink() == Path("/opt/wayside/bin/wayside")
