"""Channels: the ways in which a trigger reaches a person. A new channel is one row of CHANNELS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

ChannelName = Literal["phone"]


class Channel(NamedTuple):
    """`topic(site, target)` is where a trigger for `target` is published."""

    topic: Callable[[str, str], str]


CHANNELS: Mapping[ChannelName, Channel] = {
    "phone": Channel(lambda site, device: f"wayside/v1/{site}/down/{device}/offer"),
}
"""Channel name -> how it publishes. The target of a phone is its device id."""

CREATIVE = "default"
"""The one wording of an offer; a campaign has no others yet."""
