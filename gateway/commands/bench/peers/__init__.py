"""Peers of the benchmark: a hand-written Node loop and Node-RED, both with ONNX Runtime, from npm in a folder of the user's cache.

Both do the work of a message in `work.js`: consent, presence by level, the score of each offer of a zone by the bundle's model after an
entry and a dwell, and the publication of the best one. There is no store, no privacy and no learning.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gateway.adapters.bundle import MODEL
from gateway.commands.demo.processes import DemoError, Part

if TYPE_CHECKING:
    from gateway.commands.bench.end_to_end import Start
    from gateway.config import Config

PACKAGES = ("mqtt@5", "onnxruntime-node@1", "node-red@4")
SCRIPTS = ("work.js", "loop.js", "flow.js")
INSTALL_S_MAX = 600
LOOP = "Node + ONNX Runtime"


def found_peers(config: Config) -> dict[str, Start]:
    """The peers, installed at the first use. Raises DemoError without Node or npm, or if npm fails."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise DemoError("--peers needs Node.js and npm: install them, or leave --peers out")
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wayside-bench"
    _install(npm, folder)
    model, site = _written(config, folder)

    def run(script: str, port: int, own: Path) -> Part:
        command = [node, str(folder / script), str(port), str(model), str(site), str(own)]
        return Part("receiver", command, own, ours=False)

    return {
        LOOP: lambda port, own: run("loop.js", port, own),
        "Node-RED": lambda port, own: run("flow.js", port, own),
    }


def _install(npm: str, folder: Path) -> None:
    """Copy the scripts and install the packages."""
    folder.mkdir(parents=True, exist_ok=True)
    for script in SCRIPTS:
        shutil.copyfile(Path(__file__).with_name(script), folder / script)
    if not (folder / "node_modules").exists():
        # The script of onnxruntime-node only loads libraries for GPUs.
        command = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", *PACKAGES]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S_MAX, check=False)  # noqa: S603 - npm
        if done.returncode:
            raise DemoError(f"npm could not install the peers in {folder}: {done.stderr.strip()[-300:]}")


def _written(config: Config, folder: Path) -> tuple[Path, Path]:
    """The model of the config's bundle and the settings of the site, as files."""
    from zipfile import ZipFile  # noqa: PLC0415 - of this function only

    from gateway.build import EXPIRY_UNCHECKED, build_site, open_config_bundle  # noqa: PLC0415 - as above

    site = build_site(config, open_config_bundle(config, EXPIRY_UNCHECKED))
    with ZipFile(config.bundle.path) as members:
        (folder / "model.onnx").write_bytes(members.read(MODEL))
    policy, rules = site.campaign.policy, site.presence
    settings = {
        "topics": [one.topic for one in config.sources],
        "down": f"wayside/v1/{site.name}/offer",
        "reply": f"wayside/v1/{site.name}/reply",
        "anchors": site.anchors,
        "offsets": rules.offset_db,
        "enter": rules.enter_dbm,
        "exit": rules.exit_dbm,
        "samples": rules.samples_min,
        "margin": rules.margin_db,
        "silence": rules.exit_after_ms,
        "dwell": rules.dwell_ms,
        "gap": policy.gap_s_min * 1_000,
        "most": policy.per_person_day_max,
        "width": len(site.columns),
        "offers": [{"id": one.id, "zones": one.zones, "row": [0.0] * len(site.columns)} for one in site.campaign.offers],
    }
    (folder / "site.json").write_bytes(msgspec.json.encode(settings))
    return folder / "model.onnx", folder / "site.json"
