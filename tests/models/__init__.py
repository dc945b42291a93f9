"""Tests of the workstation's tools."""

import models  # noqa: F401 (limits the threads of OpenMP, before a test module can load scikit-learn)
