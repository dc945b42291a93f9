"""Every test that METHODS.md names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def unfounded(page: str) -> list[str]:
    """Tests that a page names and that do not exist."""
    missing = []
    for file, name in NAMED.findall(page):
        path = HERE / file
        tree = ast.parse(path.read_text("utf-8")) if path.exists() else ast.Module([], [])
        if name not in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}:
            missing.append(f"{file}::{name}")
    return missing


def test_every_named_test_exists() -> None:
    page = (HERE.parents[1] / "models" / "METHODS.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| method")]
    assert len(rows) > 30
    assert [row for row in rows if not NAMED.search(row)] == []
    assert unfounded(page) == []


def test_a_missing_test_is_found() -> None:
    assert unfounded("`planning/test_ahp.py::test_nothing_of_the_kind`, `nowhere.py::test_x`") == [
        "planning/test_ahp.py::test_nothing_of_the_kind",
        "nowhere.py::test_x",
    ]
