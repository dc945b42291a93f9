"""Rigs: drivers that break the ground under a gateway and compare it afterwards with a record of what had to hold.

| rig | breaks | compares with |
|---|---|---|
| `power` | the disk: sectors that were not synced are dropped or torn | the tables after each commit |
| `statements` | the process, before each SQL statement | the tables before or after that commit, and the same messages again |
| `kill` | `wayside run`, with SIGKILL, at random moments | the facts that the broker acknowledged |
| `judge` | TCP between devices, broker, gateway and cloud | what the devices sent, and what the gateway committed to send |
| `clock` | the clock: 40 scripts of jumps | all invariants of the simulated week |
| `flood` | the message rate, with 61 kB messages | bounds of memory, of a withdrawal and of the time until all is as before |

`python -m tests.rigs NAME --count N --seed S` runs one, with progress, and prints its figures; exit code 1 says that a figure is broken.
`make test` runs the short form of each, `make soak` the long one, and each has a negative control: a gateway without the guard, which
must be caught.
"""
