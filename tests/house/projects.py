"""The four projects of this repository: each folder's pyproject.toml, as a table."""

from __future__ import annotations

import tomllib
from typing import Any

from packaging.requirements import Requirement

from tests.house import tree

FOLDERS: dict[str, str] = {"gateway": ".", "models": "models", "firmware_sim": "firmware_sim", "dashboard": "dashboard"}
"""Import package -> the folder of the project that makes its wheel."""


def project(package: str) -> dict[str, Any]:
    """The table `[project]` for an import package. Raises KeyError for a name that is not in FOLDERS."""
    text = (tree.ROOT / FOLDERS[package] / "pyproject.toml").read_text(encoding="utf-8")
    return dict(tomllib.loads(text)["project"])


def requirements(package: str, *extras: str) -> list[Requirement]:
    """What a project requires, with these extras; other projects of this repository are included."""
    table = project(package)
    lines = [*table["dependencies"], *(line for extra in extras for line in table["optional-dependencies"][extra])]
    return [Requirement(line) for line in lines]
