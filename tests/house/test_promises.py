"""Pages of promises and methods: each named test exists, a promise has a test or is marked open, each fault has an outcome."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.house import tree

PAGE = tree.ROOT / "gateway" / "PROMISES.md"
METHODS = tree.ROOT / "gateway" / "core" / "policy" / "README.md"
OUTCOMES = {"reject and count", "hold", "degrade", "fail closed"}
OPEN_FAULTS_MAX = 0  # may only fall
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def missing(text: str, root: Path) -> list[str]:
    """Tests that the text names and the checkout at `root` does not have."""
    return [
        "::".join(filter(None, found))
        for found in NAMED.findall(text)
        if not (root / found[0]).exists() or not _has(root / found[0], found[1])
    ]


def _has(path: Path, name: str) -> bool:
    return not name or any(isinstance(node, ast.FunctionDef) and node.name == name for node in ast.walk(ast.parse(path.read_text("utf-8"))))


def rows(text: str, columns: int) -> list[list[str]]:
    """The rows of the tables with so many columns, without heads."""
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return [row for row in found if len(row) == columns and row[0] not in {"#", "fault"} and not row[0].startswith("--")]


@pytest.mark.parametrize(("page", "least"), [(PAGE, 80), (METHODS, 45)])
def test_every_named_test_exists(page: Path, least: int) -> None:
    text = page.read_text("utf-8")
    assert len(NAMED.findall(text)) >= least, "hardly any test is named"
    assert not missing(text, tree.ROOT), "\n".join(missing(text, tree.ROOT))


def test_every_promise_has_a_test_or_is_open() -> None:
    promises = rows(PAGE.read_text("utf-8"), 6)
    assert [row[0] for row in promises if row[0]] == [str(number) for number in range(1, 24)]
    assert [row[1] for row in promises if not NAMED.search(row[2]) and not row[2].startswith("open")] == []


def test_every_fault_has_an_outcome_and_few_have_no_test() -> None:
    faults = [row for row in rows(PAGE.read_text("utf-8"), 3) if not row[0].startswith("**")]
    assert len(faults) >= 50
    assert [row[0] for row in faults if row[1] not in OUTCOMES] == []
    assert [row[0] for row in faults if row[2] != "open" and not NAMED.search(row[2])] == []
    assert sum(row[2] == "open" for row in faults) <= OPEN_FAULTS_MAX


def test_a_test_that_does_not_exist_is_caught(tmp_path: Path) -> None:
    tree.plant(tmp_path, tests__test_x="def test_it(): assert f()\n")
    text = "`tests/test_x.py::test_it` `tests/test_x.py` `tests/test_x.py::test_other` `tests/test_y.py`"
    assert missing(text, tmp_path) == ["tests/test_x.py::test_other", "tests/test_y.py"]
