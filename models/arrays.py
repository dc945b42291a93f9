"""Types of the arrays that pass between the modules of this package."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rows = NDArray[np.float32]
"""Feature rows, (n, columns), NaN where a value is unknown."""
