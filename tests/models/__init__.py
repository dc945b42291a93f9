"""From a table to a model to a bundle: planted effects are found, labels without meaning are not."""

import models  # noqa: F401 (sets how OpenMP waits, before a test module can load scikit-learn)
