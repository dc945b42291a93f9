"""Every kept thing has its slice: a core file, a store file and an SQL file, and the store writes every field that must be stored."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from gateway.core.state import SLICES
from tests.house import tree

STORE = tree.ROOT / "gateway/adapters/store"
NOT_STORED = {"claims", "replies"}  # in memory only
NO_TABLE = {"retention"}  # deletes from the tables of others


def read_fields(source: str) -> set[str]:
    """Fields that a store file reads from its slice's changes."""
    return {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "changes"
    }


def unstored(name: str, source: str) -> set[str]:
    """Fields of a slice that must be stored and that its store file does not read."""
    part = SLICES[name]
    return set(part.DURABLE | part.CARRIED) - read_fields(source)


@pytest.mark.parametrize("name", [name for name in SLICES if name not in NOT_STORED])
def test_the_store_writes_every_durable_field(name: str) -> None:
    assert not unstored(name, (STORE / f"{name}.py").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", sorted(NOT_STORED))
def test_a_slice_in_memory_has_nothing_to_store(name: str) -> None:
    part = SLICES[name]
    assert not part.DURABLE | part.CARRIED
    assert not (STORE / f"{name}.py").exists()


@pytest.mark.parametrize("name", [name for name in SLICES if name not in NOT_STORED | NO_TABLE])
def test_a_stored_slice_has_its_sql_file(name: str) -> None:
    assert len(list((STORE / "schema").glob(f"[0-9][0-9][0-9][0-9]_{name}.sql"))) == 1


def test_a_file_a_slice() -> None:
    folder = Path(tree.ROOT, "gateway/core/state")
    assert {path.stem for path in folder.glob("*.py")} == {"__init__", "slices", *SLICES}


def test_a_field_that_the_store_leaves_out_is_caught() -> None:
    assert unstored("facts", "def save(self, changes):\n    for row in changes.rows: ...\n") == {"withdrawals"}
