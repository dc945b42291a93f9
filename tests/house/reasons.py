"""The tables of every reason of a decision and of a discard (see `generated`)."""

from __future__ import annotations

from gateway.core.discards import Discard
from gateway.core.policy.gates import GATES, OUTCOMES


def decisions() -> str:
    """The table of reasons of a decision in Markdown, in the order of the checks."""
    lines = [f"| `{row.reason}` | {row.scope} | {row.meaning} |" for row in (*GATES, *OUTCOMES)]
    return "\n".join(["| reason | scope | meaning |", "|---|---|---|", *lines])


def discards() -> str:
    """The table of reasons for which a message or an observation is dropped, in Markdown."""
    lines = [f"| `{row}` | `{row.counter}` | {row.meaning} | {row.check} |" for row in Discard]
    return "\n".join(["| reason | counter | meaning | check |", "|---|---|---|---|", *lines])
