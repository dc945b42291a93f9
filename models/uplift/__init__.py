"""Uplift: the effect of a treatment on each customer, from a randomised trial. Learners, choice, checks, export; `uplift`."""
