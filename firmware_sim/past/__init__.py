"""A simulated past: offers that were proposed at random in the months before, with answers, as a gateway's history and the shops' records.

Models of a world are trained on it, on other people than those of a run.
"""
