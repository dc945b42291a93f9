"""Public benchmarks: our figures on public tables beside published ones, computed by `wayside-models boards`.

Each benchmark prints the published figure, the figure of untuned boosting on the same rows in the same run, and ours, with
intervals over independent units, and the gap to each target that is missed.
"""
