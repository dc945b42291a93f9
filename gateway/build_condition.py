"""Reads the condition of the running gateway for the desk (`gateway.core.condition`)."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from gateway.adapters.tls_files import first_end_ms
from gateway.core.condition import Condition, DailyReserves, SilentDays
from gateway.core.site import local
from gateway.runtime.report import reserves_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from gateway.config import Config
    from gateway.runtime.app import App


def condition_of(config: Config, app: App) -> Callable[[], Condition]:
    """A function that reads the condition. Certificate files are read once. Raises OSError or ValueError if one cannot be read."""
    parts = (config.mqtt, config.page)
    files = [part.certificate_file for part in parts if part is not None and part.certificate_file is not None]
    ends_ms, release = first_end_ms(files), version("wayside")
    silent, daily, zone = SilentDays(), DailyReserves(), ZoneInfo(config.timezone)

    def day(at_ms: int) -> date:
        return local(at_ms, zone).date()

    def read() -> Condition:
        newest = [(one.name, day(one.newest_ms) if one.newest_ms else None) for one in app.router.tallies if one.is_of_sensors]
        today = day(app.clock.now_ms())
        reserves = reserves_of(app)
        wear = None
        if reserves is not None and reserves.written_day_bytes is not None:
            wear = reserves.written_day_bytes / reserves.written_day_bytes_max
        kept = daily(today, None if reserves is None else reserves.buffer_hours, wear)
        return Condition(release, app.bus.link().connected, silent(today, newest), ends_ms, *kept, app.site.privacy.epsilon_millionths)

    return read
