"""Description of a scenario: zones, devices, and how people are detected in each zone."""

from __future__ import annotations

from rich.table import Table

from firmware_sim.radio.propagation import mean_dbm, reach_m
from firmware_sim.scenario import Scenario


def facts(scenario: Scenario) -> dict[str, object]:
    """The description as a JSON-compatible dictionary."""
    people = scenario.people
    return {
        "site": scenario.site,
        "speed": scenario.speed,
        "walkers": people.walkers,
        "consenting_share": people.consenting_share,
        "withdrawing_share": people.withdrawing_share,
        "malformed_share": scenario.malformed_share,
        "radio_reach_m": round(reach_m(scenario.radio), 1),
        "zones": [
            {"id": zone.id, "x_m": zone.x_m, "y_m": zone.y_m, "kind": zone.kind, "heard_by": _heard_by(scenario, zone.id)}
            for zone in scenario.zones
        ],
        "sensors": [{"device": item.device, "format": item.format, "zone": item.zone} for item in scenario.sensors],
        "tills": [{"device": item.device, "zone": item.zone} for item in scenario.tills],
        "devices": [{"product": group.product, "count": group.count, "zone": group.zone} for group in scenario.devices],
        "faults": [rule.kind for rule in scenario.faults],
    }


def tables(scenario: Scenario) -> list[Table]:
    """The description as tables: zones and devices, and figures of people and radio."""
    zones = Table(title=f"site {scenario.site}", title_justify="left")
    for column in ("zone", "x m", "y m", "kind of place", "people detected by", "sensors", "till"):
        zones.add_column(column, overflow="fold")
    for zone in scenario.zones:
        installed = [f"{group.count} {group.product}" for group in scenario.devices if group.zone == zone.id]
        sensors = ", ".join([*(item.device for item in scenario.sensors if item.zone == zone.id), *installed])
        tills = ", ".join(item.device for item in scenario.tills if item.zone == zone.id)
        heard = ", ".join(_heard_by(scenario, zone.id))
        zones.add_row(zone.id, f"{zone.x_m:g}", f"{zone.y_m:g}", zone.kind or "open", heard, sensors, tills)
    figures = Table(title="figures", title_justify="left", show_header=False)
    people, radio = scenario.people, scenario.radio
    figures.add_row("walkers", f"{people.walkers}, {people.consenting_share:.0%} consent, {people.withdrawing_share:.0%} of these withdraw")
    figures.add_row("speed", f"{scenario.speed:g} street seconds per published second")
    figures.add_row("radio, mean", ", ".join(f"{mean_dbm(radio, metres):.0f} dBm at {metres} m" for metres in (1, 6, 30, 60)))
    figures.add_row("radio, reach", f"{reach_m(radio):.0f} m")
    figures.add_row("everywhere", ", ".join(item.device for item in scenario.sensors if item.zone is None))
    if scenario.faults:
        figures.add_row("faults", ", ".join(rule.kind for rule in scenario.faults))
    return [zones, figures]


def _heard_by(scenario: Scenario, zone: str) -> list[str]:
    """Devices and phone features that detect people in a zone."""
    heard = [f"{item.format} {item.id}" for item in scenario.scanners if item.zone == zone]
    heard += [f"phones, by iBeacon {item.major}-{item.minor}" for item in scenario.beacons if item.zone == zone]
    return heard + (["owntracks positions"] if scenario.phones.fine_zone == zone else [])
