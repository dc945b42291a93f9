"""The table of every reason that a decision may have: gateway/README.md holds it and a house test compares.

`python -m tests.house.reasons` prints it.
"""

from __future__ import annotations

import sys

from gateway.core.policy.gates import GATES, OUTCOMES


def decisions() -> str:
    """The table of reasons of a decision in Markdown, in the order in which they are checked."""
    lines = [f"| `{row.reason}` | {row.scope} | {row.meaning} |" for row in (*GATES, *OUTCOMES)]
    return "\n".join(["| reason | scope | meaning |", "|---|---|---|", *lines])


if __name__ == "__main__":
    sys.stdout.write(decisions() + "\n")
