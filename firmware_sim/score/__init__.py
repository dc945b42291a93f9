"""Comparison of a gateway's history with the ground truth: visits, delays, value of triggers, and regret.

The history is the folder written by `wayside history export` (`interactions`); the truth is the folder written with `--truth`
in the same run.
"""
