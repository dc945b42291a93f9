"""Fit of the radio model to measured traces, and its evaluation on held-back traces."""
