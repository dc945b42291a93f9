"""The worlds of a demonstration: folders of `deploy/worlds`, each with a bundle and the configs of its gateways.

A world has the name of its folder and of the simulator's scenario.
"""

from __future__ import annotations

from pathlib import Path

from gateway.commands.demo.processes import DemoError
from gateway.core.nearest import nearest

FOLDER = Path(__file__).resolve().parents[3] / "deploy" / "worlds"
DEFAULT = "street"


def configs(world: str, folder: Path = FOLDER) -> dict[str, Path]:
    """Gateway -> its config. Raises DemoError for an unknown world, and without the folder of the worlds."""
    known = sorted(path.parent.name for path in folder.glob("*/gw-a.toml"))
    if not known:
        raise DemoError("this needs a clone of the project, wayside-dashboard and wayside-sim: `make demo` in a clone installs both")
    if world not in known:
        raise DemoError(f"there is no world {world!r}{nearest(world, known)}")
    return {path.stem: path for path in sorted((folder / world).glob("gw-*.toml"))}
