"""No two files of ours import each other, directly or in a circle, and rooms stand on floors."""

from __future__ import annotations

from pathlib import Path

from tests.house import tree
from tests.house.structure import components, floors, structure


def test_no_files_import_each_other_in_a_circle() -> None:
    found = structure(tree.ROOT)
    assert len(found.arrows) >= 50, "hardly any arrow was found: does the walk still see the code?"
    assert found.circles == []


def test_the_core_is_below_everything_of_the_gateway() -> None:
    levels = {room: level for level, rooms in enumerate(structure(tree.ROOT).floors) for room in rooms}
    below = ("gateway.core", "gateway.adapters", "gateway.runtime", "gateway", "gateway.commands")
    assert [levels[room] for room in below] == sorted({levels[room] for room in below})


def test_a_circle_is_caught_wherever_the_import_stands(tmp_path: Path) -> None:
    late = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from gateway.core.a import A\n"
    tree.plant(tmp_path, gateway__core__a="from gateway.core.b import B", gateway__core__b="import gateway.core.c", gateway__core__c=late)
    assert structure(tmp_path).circles == [["gateway.core.a", "gateway.core.b", "gateway.core.c"]]


def test_components_and_floors_of_known_graphs() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set[str](), "e": {"a"}}
    assert components(graph) == [["d"], ["b", "c"], ["a"], ["e"]]
    assert floors(graph) == [["d"], ["b", "c"], ["a"], ["e"]]
