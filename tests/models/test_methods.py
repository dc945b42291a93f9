"""The page of methods names tests: each of them exists, and what is not built is called so and counted."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

from tests.kit.shared import shared_path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "models" / "METHODS.md"
NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
PROPOSITION = re.compile(r"\| (P\d+) \((P\d+)\) \|(?:.*)\|(.*)\|(.*)\|")
MISSING = "not built yet"


def unfounded(page: str) -> list[str]:
    """Tests that a page names and that do not exist; a path is below tests/models/ unless it starts with tests/."""
    missing = []
    for file, name in NAMED.findall(page):
        path = ROOT / file if file.startswith("tests/") else ROOT / "tests" / "models" / file
        tree = ast.parse(path.read_text("utf-8")) if path.exists() else ast.Module([], [])
        if name not in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}:
            missing.append(f"{file}::{name}")
    return missing


def without_test(page: str) -> list[str]:
    """Rows that name no test; of propositions, those that are not called missing either."""
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith(("| method", "| proposition"))]
    bare = [row for row in rows if not NAMED.search(row)]
    return [row for row in bare if not ((match := PROPOSITION.fullmatch(row)) and match[3].strip() and match[4].strip() == MISSING)]


def test_every_named_test_exists() -> None:
    page = PAGE.read_text("utf-8")
    assert len(NAMED.findall(page)) > 60
    assert without_test(page) == []
    assert unfounded(page) == []


def test_a_missing_test_is_found() -> None:
    assert unfounded("`planning/test_ahp.py::test_nothing_of_the_kind`, `nowhere.py::test_x`, `tests/core/test_gates.py::test_x`") == [
        "planning/test_ahp.py::test_nothing_of_the_kind",
        "nowhere.py::test_x",
        "tests/core/test_gates.py::test_x",
    ]


def test_a_row_without_a_test_is_found() -> None:
    rows = [
        "| a method | an answer | |",
        "| P1 (P1) | claim | feature | soon |",
        "| P1 (P1) | claim | | not built yet |",
        "| a | b | not built yet |",
    ]
    assert without_test("\n".join([*rows, "| P1 (P1) | claim | feature | not built yet |"])) == rows


def test_every_proposition_has_a_row_and_the_number_of_the_figure() -> None:
    published = json.loads(shared_path("published/propositions.json").read_text("utf-8"))
    figures = {f"P{number}": published[f"P{number}"]["figure_number"] for number in range(1, 13)}
    rows = PROPOSITION.findall(PAGE.read_text("utf-8"))
    assert {(table, figure) for table, figure, *_ in rows} == set(figures.items())
    assert {table for table, figure in figures.items() if table != figure} == {"P6", "P7", "P8", "P9"}


def test_what_is_not_built_is_counted() -> None:
    page = PAGE.read_text("utf-8")
    rows = PROPOSITION.findall(page)
    missing = sum(test.strip() == MISSING for *_, test in rows)
    assert 0 < missing < len(rows)
    assert f"{missing} of {len(rows)} are {MISSING}" in " ".join(page.split())
