"""Every bound has a name that ends in its unit, and every name bounds something.

A limit that nothing reads is worse than none: it says that the house is bounded there, and it is not.
"""

from __future__ import annotations

import ast
from pathlib import Path

from tests.house import tree
from tests.house.limits import limits

# What a bound may be counted in. A name holds one of these, and says with MAX or MIN which side it bounds.
UNITS = frozenset(
    "BYTES MS S HOURS DAYS MONTH CHARS LEVELS DEPTH INTEGER MESSAGES OBSERVATIONS LETTERS IDENTITIES SUBJECTS CONTEXTS TAGS CONTACTS "
    "OFFERS RECORDS CELLS ZONES SAMPLES DEVICES SOURCES TRIGGERS FILES PCT KEYS ADDRESSES ROWS TIMERS "
    "ATTRIBUTES VALUES COLUMNS ITEMS CANDIDATES DECISIONS PRIORS DBM CLAIMS MARKS REDEMPTIONS FILTERS".split()
)
SIDES = ("_MAX", "_MIN")

# Bounds that are declared and not yet read by anyone. This list may only shrink: a name that is in use must leave it.
NOT_YET_READ: frozenset[str] = frozenset()


def _limits(root: Path) -> tuple[tree.Module, dict[str, int]]:
    (module,) = (module for module in tree.modules(root, "gateway") if module.path == "gateway/core/limits.py")
    return module, {
        target.id: node.lineno
        for node in module.tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and not target.id.startswith("_")
    }


def misnamed(root: Path) -> list[str]:
    """Names that are not upper case, or that name no unit, or that name neither side nor end in the unit."""
    wrong: list[str] = []
    for name, line in _limits(root)[1].items():
        words = name.split("_")
        one_sided = name.endswith(SIDES) and not UNITS.isdisjoint(words)
        if not name.isupper() or not (one_sided or words[-1] in UNITS):
            wrong.append(f"gateway/core/limits.py:{line}: {name} must read WHAT_UNIT_MAX, WHAT_UNIT_MIN or WHAT_UNIT")
    return wrong


def unread(root: Path) -> set[str]:
    """Bounds that no module but limits.py itself reads."""
    home, names = _limits(root)
    read = {
        use.name.removeprefix(home.name + ".").split(".")[0]
        for module in tree.modules(root, *tree.OURS)
        if module is not home
        for use in tree.uses(module)
        if tree.below(use.name, home.name)
    }
    return set(names) - read


def test_names_end_in_their_unit() -> None:
    assert len(_limits(tree.ROOT)[1]) >= 20, "hardly any limit was found: does the walk still see limits.py?"
    assert not misnamed(tree.ROOT), "\n".join(misnamed(tree.ROOT))


def test_every_limit_is_read() -> None:
    unexpected = unread(tree.ROOT) - NOT_YET_READ
    assert not unexpected, f"declared in limits.py and read nowhere: {sorted(unexpected)}"


def test_every_bound_of_the_gateway_is_enforced_somewhere() -> None:
    """`python -m tests.house.limits` prints the list: each bound, its value, and the lines that enforce it."""
    found = limits(tree.ROOT)
    assert len(found) >= 200, "hardly any bound was found: does the walk still see the gateway?"
    idle = [f"{one.declared}: {one.name} bounds nothing" for one in found if not one.enforced]
    assert not idle, "\n".join(idle)


def test_a_bound_that_is_declared_and_not_enforced_is_caught(tmp_path: Path) -> None:
    bounds = ["A_BYTES_MAX = 1", "B_BYTES_MAX = 2", "C_BYTES_MAX, D_BYTES_MAX = 3, 4", "assert A_BYTES_MAX < B_BYTES_MAX"]
    engine = ["from gateway.core import limits", "if x > limits.B_BYTES_MAX:", "    raise ValueError(f'{limits.A_BYTES_MAX}')"]
    adapter = ["from gateway.core.limits import D_BYTES_MAX as most", "OWN_MAX = 5", "TEXT_MAX = 6", "x = y[:OWN_MAX]", "min(x, most)"]
    sources = {"gateway__core__limits": bounds, "gateway__core__engine": engine, "gateway__adapters__mqtt": adapter}
    tree.plant(tmp_path, **{name: "\n".join(lines) for name, lines in sources.items()})
    found = {one.name: one.enforced for one in limits(tmp_path)}
    assert {name for name, places in found.items() if not places} == {"A_BYTES_MAX", "C_BYTES_MAX", "TEXT_MAX"}
    assert found["B_BYTES_MAX"] == ("gateway/core/engine.py:2",)


def test_the_list_of_unread_limits_shrinks() -> None:
    stale = NOT_YET_READ - unread(tree.ROOT)
    assert not stale, f"read by now (or gone), so take them off NOT_YET_READ: {sorted(stale)}"


def test_relations_between_limits_are_asserted() -> None:
    module, names = _limits(tree.ROOT)
    related = {
        node.id
        for statement in module.tree.body
        if isinstance(statement, ast.Assert)
        for node in ast.walk(statement)
        if isinstance(node, ast.Name)
    }
    assert len(related & set(names)) >= 5, "limits.py asserts hardly any relation between its bounds"


def test_faulty_limits_are_caught(tmp_path: Path) -> None:
    tree.plant(
        tmp_path,
        gateway__core__limits="PAYLOAD_BYTES_MAX = 1\nWAIT_MS = 1\npayload_bytes_max = 1\nPAYLOAD_MAX = 1\nDEAD = 1\n",
        gateway__core__engine="from gateway.core import limits\nfrom gateway.core.limits import WAIT_MS as W\nprint(limits.DEAD, W)\n",
    )
    assert len(misnamed(tmp_path)) == 3
    assert unread(tmp_path) == {"PAYLOAD_BYTES_MAX", "payload_bytes_max", "PAYLOAD_MAX"}
