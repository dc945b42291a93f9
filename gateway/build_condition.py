"""Reads the condition of the running gateway for the desk (`gateway.core.condition`)."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from gateway.adapters.tls_files import first_end_ms
from gateway.core.condition import Condition, SilentDays
from gateway.core.site import local
from gateway.decoders.contract import MEASURED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import date

    from gateway.config import Config
    from gateway.runtime.app import App
    from gateway.runtime.tallies import Tally


def condition_of(config: Config, app: App) -> Callable[[], Condition]:
    """A function that reads the condition. Certificate files are read once. Raises OSError or ValueError if one cannot be read."""
    parts = (config.mqtt, config.page)
    files = [part.certificate_file for part in parts if part is not None and part.certificate_file is not None]
    ends_ms, release = first_end_ms(files), version("wayside")
    silent, zone = SilentDays(), ZoneInfo(config.timezone)

    def day(at_ms: int) -> date:
        return local(at_ms, zone).date()

    def read() -> Condition:
        newest = [(one.name, day(one.newest_ms) if one.newest_ms else None) for one in of_sensors(app.router.tallies)]
        return Condition(release, app.bus.link().connected, silent(day(app.clock.now_ms()), newest), ends_ms)

    return read


def of_sensors(tallies: Iterable[Tally]) -> Iterator[Tally]:
    """Those of sources that only measure. The silence of sightings, positions and facts would show the days on which people were near."""
    return (one for one in tallies if one.source.kinds <= MEASURED)
