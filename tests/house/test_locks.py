"""What is installed: locked by hash, from anywhere, in step with the four pyproject.toml, and under licences we can ship beside ours.

The device's lock is the smaller part of the developer's, version for version, so that what is tested is what is shipped.
"""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house import projects, tree

LOCKS = ("device", "dev")
DEVICE_DISTRIBUTIONS_MAX = 36  # with google-re2 and phonenumberslite, 7 MB, for personal data; tuf, securesystemslib, urllib3 for releases

COPYLEFT = re.compile(r"(?<![A-Za-z])A?GPL|GNU (Affero )?General Public", re.IGNORECASE)

# What their own metadata does not say in words that a machine can judge: name -> licence and where it is stated.
STATED_ELSEWHERE: dict[str, str] = {
    "quickjs-ng": "MIT, as its LICENSE says; the engine QuickJS-ng is MIT as well",
    "click-default-group": "BSD-3-Clause, as its LICENSE says (its classifier says public domain)",
    "apsw-sqlite3mc": "any OSI-approved licence, as its LICENSE says; SQLite is public domain, SQLite3 Multiple Ciphers MIT",
}


def lock(name: str, root: Path = tree.ROOT) -> str:
    """The text of a lock file."""
    return (root / "requirements" / f"{name}.txt").read_text(encoding="utf-8")


def requirements(text: str) -> list[Requirement]:
    """The locked distributions."""
    return [Requirement(line.rstrip("\\ ")) for line in text.splitlines() if re.match(r"[a-z0-9]", line)]


def loose(text: str) -> list[str]:
    """What makes a lock less than one: an address, an option, an open version, a distribution without a hash."""
    wrong = [line for line in text.splitlines() if "://" in line or line.startswith("-")]
    for entry in re.split(r"\n(?=[a-z0-9])", text):
        line = entry.splitlines()[0]
        if "--hash=sha256:" not in entry or not re.match(r"[a-z0-9.\-]+==\S+( ;[^\\]+)? \\$", line):
            wrong.append(line)
    return wrong


def licence(distribution: importlib.metadata.Distribution) -> str:
    """What a distribution says of its licence: the expression, else the short name, else the classifiers; else nothing."""

    def stated(field: str) -> list[str]:
        return distribution.metadata.get_all(field) or []

    osi = "License :: OSI Approved :: "
    classified = ", ".join(line.removeprefix(osi) for line in stated("Classifier") if line.startswith(osi))
    short = [name for name in stated("License") if "\n" not in name]
    return next((text for text in (*stated("License-Expression"), classified, *short) if text), "")


def objection(distribution: importlib.metadata.Distribution) -> str | None:
    """Why a distribution cannot be shipped beside us, if so."""
    name = canonicalize_name(distribution.metadata["Name"])
    stated = STATED_ELSEWHERE.get(name) or licence(distribution)
    if not stated or stated.upper() in {"UNKNOWN", "OSI APPROVED"}:
        return f"{name}: states no licence; look it up and put it into STATED_ELSEWHERE"
    # A choice of licences is ours to make.
    choices = re.split(r"\s+OR\s+", stated.strip("()"))
    return f"{name}: {stated}" if all(COPYLEFT.search(choice) for choice in choices) else None


@pytest.mark.parametrize("name", LOCKS)
def test_locks_are_tight(name: str) -> None:
    assert len(requirements(lock(name))) >= 10
    assert not loose(lock(name))


def test_the_device_installs_a_part_of_what_is_tested() -> None:
    device, dev = ({f"{requirement.name}{requirement.specifier}" for requirement in requirements(lock(name))} for name in LOCKS)
    assert device <= dev, f"make lock: {sorted(device - dev)} are not in the developer's lock"
    assert len(device) <= DEVICE_DISTRIBUTIONS_MAX


@pytest.mark.parametrize("name", LOCKS)
def test_locks_are_in_step(name: str) -> None:
    wanted = projects.requirements("gateway")
    if name == "dev":
        wanted = projects.requirements("gateway", "ble", "dev", "formats")
        wanted += [requirement for package in ("models", "firmware_sim", "dashboard") for requirement in projects.requirements(package)]
    held = {canonicalize_name(requirement.name): requirement for requirement in requirements(lock(name))}
    for requirement in wanted:
        found = held.get(canonicalize_name(requirement.name))
        if requirement.name != "wayside":
            assert found, f"make lock: {requirement} is not in requirements/{name}.txt"
            assert requirement.specifier.contains(str(found.specifier).removeprefix("==")), f"make lock: {found} is not {requirement}"


@pytest.mark.parametrize("name", LOCKS)
def test_licences_go_with_ours(name: str) -> None:
    here = [requirement for requirement in requirements(lock(name)) if requirement.marker is None or requirement.marker.evaluate()]
    wrong = [problem for requirement in here if (problem := objection(importlib.metadata.distribution(requirement.name)))]
    assert not wrong, "\n".join(wrong)


# --- these checks can fail ----------------------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    [
        "--index-url https://example.org/simple\na==1 \\\n    --hash=sha256:00\n",
        "a>=1 \\\n    --hash=sha256:00\n",
        "a==1\nb==1 \\\n    --hash=sha256:00\n",
    ],
)
def test_a_loose_lock_is_caught(text: str) -> None:
    assert loose(text)


@pytest.mark.parametrize(
    ("header", "fine"),
    [
        ("License-Expression: GPL-3.0-only", False),
        ("License: AGPLv3+", False),
        ("Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)", False),
        ("License-Expression: (GPL-2.0-only OR AGPL-3.0-only)", False),
        ("License: UNKNOWN", False),
        ("Summary: says nothing", False),
        ("License-Expression: MIT OR GPL-2.0-only", True),
        ("License-Expression: LGPL-3.0-only", True),
        ("Classifier: License :: OSI Approved :: MIT License", True),
    ],
)
def test_a_licence_is_judged(tmp_path: Path, header: str, fine: bool) -> None:  # noqa: FBT001  (a table's column)
    folder = tmp_path / "thing-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: thing\nVersion: 1\n{header}\n", encoding="utf-8")
    (distribution,) = importlib.metadata.distributions(path=[str(tmp_path)])
    assert (objection(distribution) is None) is fine
