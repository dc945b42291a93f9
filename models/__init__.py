"""The workstation: from a table of answers to an evaluated, signed bundle; README.md beside this file is the overview.

Boosting of ten thousand rows synchronises its threads after every split, which costs more than a second core gains: on two
busy cores a comparison takes 27 s with one thread and 80 to 95 s with two. scikit-learn's OpenMP reads the variable when it
is loaded, so it is set before any other import of this package. For a table of millions of rows set it to the number of cores.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
