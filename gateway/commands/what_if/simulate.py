"""A campaign in a simulated city: `wayside-sim policies` runs the shipped policy with it, beside the campaign of the gateway's bundle.

Both campaigns are signed into bundles for this run alone, with the gateway's schema and model, and deleted. Dates are ignored, because the
days of the city are not those of the campaign.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.adapters.bundle import Draft, public_key_line, write_bundle
from gateway.build_store import SetupError
from gateway.core.limits import CLOCK_CEILING_MS
from gateway.core.measure.rates import Interval
from gateway.core.nearest import nearest

if TYPE_CHECKING:
    from gateway.core.bundle import Bundle
    from gateway.core.offers import Campaign

PROGRAM = "wayside-sim"
POLICY = "shipped"


class Size(NamedTuple):
    """Days, people and seeds of a simulation."""

    days: int
    people: int
    seeds: int


class Simulated(msgspec.Struct, frozen=True):
    """Figures a person of one campaign, with intervals over the seeds: true margin in minor units, accepted offers, messages."""

    campaign: str
    margin_minor: Interval
    accepted: Interval
    messages: Interval


def simulated(bundle: Bundle, campaign: Campaign, world: str, size: Size) -> tuple[Simulated, Simulated]:
    """The figures of the bundle's campaign and of the other one, in the same days of the same people.

    Raises SetupError without the simulator, for a campaign with places that the world lacks, and with the simulator's own error.
    """
    program = Path(sys.executable).parent / PROGRAM
    if not program.exists():
        raise SetupError(f"--simulate needs {PROGRAM}, which a device does not have: install it on a workstation, or use the log")
    zones = [zone["id"] for zone in _run(program, "describe", world)["zones"]]
    for offer in campaign.offers:
        for zone in (offer.shop, *offer.zones):
            if zone not in zones:
                raise SetupError(f"offer {offer.id!r}: the world {world} has no zone {zone!r}{nearest(zone, zones)}")
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name, one in (("of the bundle", bundle.campaign), ("the other", campaign)):
            path, keys = _signed(Path(folder), bundle, one)
            options = (
                "--days",
                size.days,
                "--people",
                size.people,
                "--seeds",
                size.seeds,
                "--policy",
                POLICY,
                "--bundle",
                path,
                "--key",
                keys,
            )
            (row,) = _run(program, "policies", "--world", world, *options)["policies"]
            figures = (Interval(row[key]["mean"], row[key]["low"], row[key]["high"]) for key in ("margin_minor", "accepted", "messages"))
            found.append(Simulated(name, *figures))
    first, second = found
    return first, second


def _signed(folder: Path, bundle: Bundle, campaign: Campaign) -> tuple[Path, Path]:
    """A bundle with the campaign, live at all times, and the file of its public key."""
    offers = tuple(msgspec.structs.replace(offer, starts_ms=0, ends_ms=CLOCK_CEILING_MS) for offer in campaign.offers)
    key, manifest = Ed25519PrivateKey.generate(), bundle.manifest
    draft = Draft(
        name=manifest.name,
        version=manifest.version,
        created_at_ms=manifest.created_at_ms,
        expires_at_ms=manifest.expires_at_ms,
        model=bundle.model,
        schema=bundle.schema,
        campaign=msgspec.structs.replace(campaign, offers=offers),
        metrics=manifest.metrics,
        patterns=bundle.patterns,
        groups=bundle.groups,
    )
    path, keys = folder / "campaign.bundle", folder / "campaign.pub"
    write_bundle(path, key, draft)
    keys.write_text(public_key_line(key.public_key()) + "\n", "utf-8")
    return path, keys


def _run(program: Path, *arguments: object) -> Any:
    """The JSON that the simulator prints. Raises SetupError with its error."""
    command = [str(program), *(str(one) for one in arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own program
    if done.returncode:
        raise SetupError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"{PROGRAM} ended with {done.returncode}")
    return msgspec.json.decode(done.stdout)
