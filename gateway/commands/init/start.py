"""Starting points of a config: the worlds, each with zones, devices, campaign, schema and a signed bundle."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from gateway.build_store import SetupError
from gateway.commands.demo.worlds import FOLDER
from gateway.core.nearest import nearest

INSTALLED = Path(sys.prefix) / "share" / "wayside" / "worlds"
COPIED = ("*.bundle", "bundle.pub", "campaign.toml", "schema.toml")


class Start(NamedTuple):
    """A world: its site's name, the tables of its first gateway's config, and the files to copy beside a new config."""

    site: str
    table: dict[str, Any]
    files: tuple[Path, ...]

    @property
    def zone_ids(self) -> list[str]:
        """The zones of the campaign at this gateway, those with anchors first."""
        return [zone["id"] for zone in sorted(self.table["zones"], key=lambda zone: "anchors" not in zone)]

    def unknown_zone(self, name: str) -> str:
        """The error for another zone."""
        return f"{name!r} is no zone of {self.site}{nearest(name, self.zone_ids)}"


def read_start(world: str) -> Start:
    """A world by its name. Raises SetupError for an unknown one, and without the folder of the worlds."""
    folder = next((one for one in (FOLDER, INSTALLED) if one.is_dir()), None)
    if folder is None:
        raise SetupError(f"no starting points are installed ({INSTALLED}): use the package, or a clone of the project")
    known = sorted(path.parent.name for path in folder.glob("*/gw-a.toml"))
    if world not in known:
        raise SetupError(f"--site {world}: no such starting point{nearest(world, known)}")
    table = tomllib.loads((folder / world / "gw-a.toml").read_text(encoding="utf-8"))
    return Start(table["site"], table, tuple(path for pattern in COPIED for path in sorted((folder / world).glob(pattern))))
