"""The list of decoders, each with a message that it reads."""

from __future__ import annotations

from importlib.resources import files

import msgspec

from gateway.decoders.registry import decoder_names


def listing() -> list[tuple[str, str]]:
    """Name and example of each decoder; the example is a line for `wayside decode`, empty for a decoder of another distribution."""
    lines = files("gateway.commands.decode").joinpath("examples.jsonl").read_text(encoding="utf-8").splitlines()
    examples = {msgspec.json.decode(line)["decoder"]: line for line in lines}
    return [(name, examples.get(name, "")) for name in decoder_names()]
