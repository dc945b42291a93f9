"""Learning from answers: propensity of each offer, choice with exploration, purchases without an offer, drift of the errors.

Everything is pure: answers and draws come as arguments, so the same log gives the same state, bit for bit.
"""
