"""The page "Bring your own scikit-learn model"; its blocks are run by the tests of all documents."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.adapters.onnx_graph import OPS_ALLOWED

PAGE = Path(__file__).resolve().parents[3] / "models" / "BRING_YOUR_OWN.md"


def test_the_page_lists_the_operators_that_a_gateway_allows() -> None:
    (listed,) = re.findall(r"^Operators: (.*?)\.$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert listed.split() == ", ".join(sorted(operator.rpartition(".")[2] for operator in OPS_ALLOWED)).split()
