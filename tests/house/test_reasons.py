"""Discards are a closed table: every row is used, and every refusal of a decoder is a row."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from gateway.core.discards import Discard
from gateway.decoders import contract
from gateway.runtime.status import GatewayStatus
from tests.house import tree

HOME = "gateway.core.discards"


def used(root: Path) -> set[str]:
    """Names of the rows that the gateway's code uses outside the table."""
    prefix = f"{HOME}.Discard."
    return {
        use.name.removeprefix(prefix)
        for module in tree.modules(root, "gateway")
        if module.name != HOME
        for use in tree.uses(module)
        if use.name.startswith(prefix)
    }


def test_every_discard_is_used() -> None:
    refusals = {row.name for row in Discard if row.counter == "refused"}
    assert used(tree.ROOT) == set(Discard.__members__) - refusals
    assert refusals == {reason.upper() for reason in get_args(contract.Reason)}


def test_every_discard_is_explained() -> None:
    assert len(Discard) >= 20, "hardly any row was found"
    for row in Discard:
        assert row.name == row.value.upper()
        assert row.meaning, f"{row}: no meaning"
        assert row.check, f"{row}: nothing to check"
        assert row.counter in GatewayStatus.__struct_fields__


def test_an_unused_row_is_caught(tmp_path: Path) -> None:
    source = "from gateway.core.discards import Discard\ndef f() -> Discard:\n    return Discard.LATE\n"
    assert used(tree.plant(tmp_path, gateway__core__x=source)) == {"LATE"}
