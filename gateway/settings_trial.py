"""Settings of the desk on trial: taken back if the gateway cannot start with these, or ends again and again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from gateway.adapters.desired import AppliedFile, DesiredError
from gateway.core.desired import Applied, taken_back

if TYPE_CHECKING:
    from gateway.config import Config

log = logging.getLogger("wayside")

STARTS_MAX = 3


def count_start(config: Config) -> bool:
    """Count a start with settings on trial; True if these were taken back, so that the config has to be read again. Raises OSError."""
    applied = _on_trial(config)
    if applied is None or applied.settings_trial is None:
        return False
    if applied.settings_trial.starts >= STARTS_MAX:
        return take_back(config, f"the gateway was started {STARTS_MAX} times with them and did not reach broker and desk")
    trial = msgspec.structs.replace(applied.settings_trial, starts=applied.settings_trial.starts + 1)
    AppliedFile(config.bundle.path).write(msgspec.structs.replace(applied, settings_trial=trial))
    return False


def take_back(config: Config, reason: str) -> bool:
    """Take settings on trial back; whether there were any. Raises OSError."""
    applied = _on_trial(config)
    if applied is None:
        return False
    log.error("the desk's settings are taken back: %s", reason)
    AppliedFile(config.bundle.path).write(taken_back(applied, reason))
    return True


def _on_trial(config: Config) -> Applied | None:
    if config.cloud is None or not config.cloud.desk:
        return None
    try:
        applied = AppliedFile(config.bundle.path).read()
    except DesiredError:
        return None  # building the gateway names it
    return applied if applied.settings_trial is not None else None
