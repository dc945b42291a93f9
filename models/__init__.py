"""What runs on a workstation: from a table of answers to an evaluated, signed bundle. The map is in README.md beside this file.

Boosting meets at a barrier after every split. GNU OpenMP spins there by default, and on a machine whose cores are busy with
something else that makes training eight times slower; sleeping costs nothing measurable on an idle one. The variable is
read when scikit-learn's OpenMP is loaded, which is why it is set here, before anything of this room is imported.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
