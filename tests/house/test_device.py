"""What scripts/install-device.sh deletes: every entry of the list has a reason and finds something, and wrong use is one line.

The installation itself needs an index, so it is in the soak: tests/broker/test_device.py.
"""

from __future__ import annotations

import fnmatch
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.house import tree

LIST = tree.ROOT / "requirements" / "device-prune.txt"


def unreasoned(text: str) -> list[str]:
    """Entries of a prune list that are malformed, or have no comment above their paragraph."""
    wrong: list[str] = []
    for paragraph in text.strip().split("\n\n"):
        reason, *entries = paragraph.splitlines()
        lines = entries if reason.startswith("# ") else [reason, *entries]
        for line in lines:
            fine = line.startswith("# ") or (reason.startswith("# ") and len(line.split()) == 1)
            wrong += [] if fine else [line]
    return wrong


def idle(text: str, paths: list[str]) -> list[str]:
    """Entries of a prune list that match none of `paths`."""
    patterns = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [pattern for pattern in patterns if not any(fnmatch.fnmatchcase(path, pattern) for path in paths)]


def installed() -> list[str]:
    """Every path in site-packages, folders too, relative to it."""
    site = Path(sysconfig.get_path("platlib"))
    found: list[str] = []
    for folder, folders, files in os.walk(site):
        relative = Path(folder).relative_to(site)
        found += [(relative / name).as_posix() for name in (*folders, *files)]
    return found


def test_every_entry_has_a_reason() -> None:
    text = LIST.read_text("utf-8")
    assert text.count("numpy/") > 5
    assert not unreasoned(text)


@pytest.mark.skipif(sys.platform != "linux", reason="the list holds the names that libraries have on Linux")
def test_every_entry_finds_something() -> None:
    assert not idle(LIST.read_text("utf-8"), installed())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [((), "usage: sh scripts/install-device.sh"), (("new",), "usage"), ((".", "x.whl"), ". exists"), (("new", "x.whl"), "make wheels")],
)
def test_wrong_use_is_one_line(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    command = ["sh", str(tree.ROOT / "scripts" / "install-device.sh"), *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert told in line
    assert not list(tmp_path.iterdir())


# --- these checks can fail ----------------------------------------------------------------------
@pytest.mark.parametrize("text", ["a/tests", "# why\nremove a", "# why\n\na/tests"])
def test_a_faulty_list_is_caught(text: str) -> None:
    assert unreasoned(text)


def test_an_idle_entry_is_caught() -> None:
    assert idle("# why\na/*tests\nb/*\n", ["a/x/tests"]) == ["b/*"]
