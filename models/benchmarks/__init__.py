"""The public benchmarks: tables and figures that others published, ours beside theirs, computed anew by one command.

A benchmark never dresses up: it prints what was published, what plain boosting without any tuning reaches in the same run
on the same rows, what ours reaches, all with intervals over what is independent, and how far a target was missed.
"""
