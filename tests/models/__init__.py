"""From a table to a model to a bundle: planted effects are found, labels without meaning are not."""

import models  # noqa: F401 (limits the threads of OpenMP, before a test module can load scikit-learn)
