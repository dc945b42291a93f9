"""All products by name, and mixes of them for a fleet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from firmware_sim.nearest import nearest
from firmware_sim.products import city, phones, scanners, things
from firmware_sim.products.firmware import Product
from firmware_sim.products.surroundings import Surroundings

Make = Callable[[int, Surroundings], Product]

# Keys are the names of the wire formats.
CATALOGUE: Mapping[str, Make] = {
    "wayside_v1": phones.WaysideApp,
    "owntracks": phones.OwnTracksPhone,
    "ruuvi_gateway": scanners.RuuviGateway,
    "minew_gateway_json": scanners.MinewGateway,
    "theengs_gateway_mqtt": scanners.TheengsScanner,
    "espresense": scanners.EspresenseNode,
    "shelly_gen1": things.ShellyHT,
    "shelly_gen2_rpc": things.ShellyPlug,
    "zigbee2mqtt": things.ZigbeeClimate,
    "ttn_v3": city.WeatherStation,
    "frigate": city.Camera,
    "sparkplug_b": city.SparkplugTill,
    "ngsi_ld": city.CityFeed,
}

# A small city: half phones, a third scanners, the rest sensors and tills.
DEFAULT_MIX: Mapping[str, float] = {
    "wayside_v1": 30,
    "owntracks": 15,
    "espresense": 10,
    "ruuvi_gateway": 8,
    "minew_gateway_json": 8,
    "theengs_gateway_mqtt": 7,
    "zigbee2mqtt": 6,
    "shelly_gen1": 4,
    "shelly_gen2_rpc": 4,
    "ttn_v3": 3,
    "sparkplug_b": 2,
    "frigate": 2,
    "ngsi_ld": 1,
}


class MixError(ValueError):
    """A product mix is invalid; the text names the nearest valid name."""


def parse_mix(text: str) -> dict[str, float]:
    """Shares by product of a text such as `owntracks=3,ttn_v3=1`; a name alone has share 1.

    Raises MixError for an unknown product and for a share that is no number above 0.
    """
    mix: dict[str, float] = {}
    for part in text.split(","):
        name, _, share = part.strip().partition("=")
        if name not in CATALOGUE:
            raise MixError(f"mix: no product {name!r}; {nearest(name, CATALOGUE)}")
        try:
            mix[name] = float(share or 1)
        except ValueError as error:
            raise MixError(f"mix: {share!r} is no number, as in {name}=3") from error
        if not 0 < mix[name] < 1e9:
            raise MixError(f"mix: the share of {name} must be above 0")
    return mix


def allocate(mix: Mapping[str, float], devices: int) -> Iterator[tuple[str, int]]:
    """Product and number of each device, in proportion to the shares and evenly interleaved (largest deficit next)."""
    total = sum(mix.values())
    made = dict.fromkeys(mix, 0)
    for place in range(1, devices + 1):
        name = max(mix, key=lambda one: mix[one] / total * place - made[one])
        made[name] += 1
        yield name, made[name]
