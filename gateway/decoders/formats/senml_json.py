"""SenML in JSON (`application/senml+json`, RFC 8428 section 5); `senml.py` reads the pack."""

from __future__ import annotations

from gateway.core.types import Message, Observation
from gateway.decoders.contract import PLACED, Decoder, parse_json
from gateway.decoders.formats.senml import pack_observations


def decode(message: Message) -> list[Observation]:
    """The observations of one pack. Raises DecodeError as `parse_json()` and `pack_observations()` do."""
    return pack_observations(parse_json(message.payload), message.received_at_ms)


DECODER = Decoder("senml_json", (), decode, kinds=PLACED)
