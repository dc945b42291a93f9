"""A gateway's history held against the truth: visits, timeliness, what its triggers were worth, what it regrets.

The history is what `wayside history export` writes (`interactions`); the truth is what `--truth` wrote of the same run.
"""
