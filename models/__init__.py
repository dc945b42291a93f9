"""What runs on a workstation: from a table of answers to an evaluated, signed bundle. The map is in README.md beside this file.

Boosting on ten thousand rows meets at a barrier after every split, and the barriers cost more than further cores bring: on
two busy cores one thread compares the models in 27 s, two take 80 to 95 s. The variable is read when scikit-learn's OpenMP is
loaded, which is why it is set here, before anything of this room is imported; whoever has a table of millions sets it.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
