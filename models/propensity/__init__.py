"""Estimators of the probability that an offer is taken, one file each, and cross-validation on unseen subjects."""
