"""The first minute: what `make setup` and the real parts say when something is missing, and that CI lets nothing slip.

The scripts run here against small stand-ins for python and id; nothing is installed. The stand-ins are programs at the
border, so that the scripts themselves run unchanged.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house import tree

TOO_OLD = 'case "$*" in *python_version*) echo 3.9.2 ;; *version_info*) exit 1 ;; esac'
NO_VENV = 'case "$*" in *python_version*) echo 3.12.1 ;; *ensurepip*) exit 1 ;; esac'
NO_INDEX = """case "$*" in
  *python_version*) echo 3.12.1 ;;
  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  *install*) echo "ERROR: no matching distribution for numpy" && exit 1 ;;
esac"""
SCRIPTS = sorted((tree.ROOT / "scripts").glob("*.sh"))


def _run(command: list[str | Path], cwd: Path = tree.ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in {"CI", *environment}}
    return subprocess.run(command, cwd=cwd, env=inherited | environment, capture_output=True, text=True, timeout=60, check=False)


def _program(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (None, "there is no working"),
        (TOO_OLD, "needs Python 3.11 or newer and"),
        (NO_VENV, "apt-get install python3-venv"),
        (NO_INDEX, "no matching distribution for numpy"),
    ],
    ids=["absent", "too old", "no venv", "pip fails"],
)
def test_setup_says_what_is_missing(tmp_path: Path, body: str | None, told: str) -> None:
    python = tmp_path / "python3"
    if body:
        _program(python, body)
    done = _run(["sh", "scripts/setup.sh", tmp_path / "venv"], PYTHON=str(python))
    assert done.returncode == 1
    assert told in done.stderr
    assert not (tmp_path / "venv/setup.done").exists()


def _without_browser(folder: Path) -> str:
    """A path on which there is no chromium, and nobody is root."""
    _program(folder / "id", "echo 1000")
    for name in ("sh", "rm"):
        (folder / name).symlink_to(str(shutil.which(name)))
    return str(folder)


@pytest.mark.parametrize(
    ("arguments", "ci", "code", "told"),
    [
        (["chromium"], "", 0, "tests that need it will be skipped"),
        (["chromium"], "true", 1, "CI=true allows no skipped test, and these are absent: chromium"),
        (["--optional", "chromium"], "true", 0, "continuing without it"),
        (["teapot"], "", 2, "there is no part 'teapot'"),
    ],
)
def test_parts_tell_what_is_absent(tmp_path: Path, arguments: list[str], ci: str, code: int, told: str) -> None:
    done = _run(["sh", "scripts/parts.sh", *arguments], PATH=_without_browser(tmp_path), CI=ci)
    assert done.returncode == code, done.stdout + done.stderr
    assert told in done.stdout + done.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_scripts_are_plain_shell(script: Path) -> None:
    done = _run(["sh", "-n", script])
    assert done.returncode == 0, done.stderr


def test_make_without_a_target_lists_them() -> None:
    done = _run(["make"])
    assert done.returncode == 0
    assert all(f"make {target}" in done.stdout for target in ("setup", "demo", "test", "check", "bench", "lock"))


@pytest.mark.parametrize("workers", ["-n0", "-n1"])
@pytest.mark.parametrize(("ci", "outcome"), [("", "1 passed, 2 skipped, 1 xfailed"), ("true", "1 failed, 1 passed, 1 xfailed, 1 error")])
def test_ci_makes_every_skip_a_failure(tmp_path: Path, ci: str, outcome: str, workers: str) -> None:
    (tmp_path / "test_one.py").write_text(
        "import pytest\n"
        "def test_fine(): assert True\n"
        "def test_skips(): pytest.skip('no broker here')\n"
        "@pytest.mark.soak\n"
        "def test_long(): pytest.skip('never run')\n"
        "@pytest.mark.xfail\n"
        "def test_known(): assert False\n",
        encoding="utf-8",
    )
    (tmp_path / "test_two.py").write_text("import pytest\npytest.skip('no shared data', allow_module_level=True)\n", encoding="utf-8")
    options = ["-p", "tests.conftest", "-c", "pyproject.toml", "-p", "no:cacheprovider", "--continue-on-collection-errors", "--color=no"]
    done = _run([sys.executable, "-m", "pytest", workers, *options, tmp_path], CI=ci)
    assert done.returncode == bool(ci), done.stdout
    assert outcome in done.stdout.replace("1 deselected, ", ""), done.stdout
