"""The structure of the code, measured from its imports: rooms, arrows between them, circles of files, floors.

Run it: `python -m tests.house.structure [FOLDER]` prints the picture of this repository, or of another checkout. An import for types
only counts like any other: the reader of a file has to follow it all the same.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

from tests.house import tree

Graph = dict[str, set[str]]


class Structure(NamedTuple):
    """`arrows` between rooms with their number of imports; `circles` of modules; rooms by `floors`, the lowest first."""

    arrows: Counter[tuple[str, str]]
    circles: list[list[str]]
    floors: list[list[str]]


def room_of(module: str, packages: set[str]) -> str:
    """A top-level package, or a folder of it that is a package itself (`gateway.core`)."""
    parts = module.split(".")
    return ".".join(parts[:2]) if ".".join(parts[:2]) in packages else parts[0]


def structure(root: Path) -> Structure:
    """Measure the checkout at `root`."""
    modules = tree.modules(root, *tree.OURS)
    names = {module.name for module in modules}
    packages = {module.name for module in modules if module.is_package}
    graph: Graph = {module.name: {target for _, target in _targets(module, names)} - {module.name} for module in modules}
    arrows: Counter[tuple[str, str]] = Counter()
    for module, targets in graph.items():
        for target in targets:
            here, there = room_of(module, packages), room_of(target, packages)
            arrows[here, there] += here != there
    arrows = +arrows
    rooms: Graph = defaultdict(set)
    for name in names:
        rooms[room_of(name, packages)] |= set()
    for here, there in arrows:
        rooms[here].add(there)
    return Structure(arrows, [circle for circle in components(graph) if len(circle) > 1], floors(rooms))


def _targets(module: tree.Module, names: set[str]) -> list[tuple[int, str]]:
    found = []
    for line, target in tree.imports(module):
        name = target
        while name and name not in names:
            name = name.rpartition(".")[0]
        if name:
            found.append((line, name))
    return found


def components(graph: Graph) -> list[list[str]]:
    """Strongly connected components (Tarjan 1972), each sorted; those of more than one node are circles."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in sorted(graph.get(node, ())):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            at = stack.index(node)
            found.append(sorted(stack[at:]))
            del stack[at:]

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def floors(graph: Graph) -> list[list[str]]:
    """Rooms by floor: a room stands one floor above the highest room that it imports; rooms of one circle share a floor."""
    height: dict[str, int] = {}
    for group in components(graph):  # Tarjan yields a component after all that it points to
        below = [height[target] for node in group for target in graph.get(node, ()) if target not in group]
        height.update(dict.fromkeys(group, max(below, default=-1) + 1))
    return [sorted(name for name, floor in height.items() if floor == level) for level in range(max(height.values(), default=-1) + 1)]


def main() -> None:
    """Print floors from the top down, arrows, and circles."""
    found = structure(Path(sys.argv[1]) if len(sys.argv) > 1 else tree.ROOT)
    for level in range(len(found.floors) - 1, -1, -1):
        sys.stdout.write(f"floor {level}: {', '.join(found.floors[level])}\n")
    for (here, there), count in sorted(found.arrows.items()):
        sys.stdout.write(f"{here} -> {there}: {count} imports\n")
    for circle in found.circles:
        sys.stdout.write(f"circle: {', '.join(circle)}\n")
    sys.stdout.write(f"{len(found.arrows)} arrows, {len(found.circles)} circles, {len(found.floors)} floors\n")


if __name__ == "__main__":
    main()
