"""One gateway on its street, in a fresh folder, closed afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.testbed import Gateway


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """An empty gateway at noon."""
    made = Gateway(tmp_path)
    yield made
    made.close()
