"""Choosing an offer or silence: gates close, the rest are ranked by expected value, and every offer has its reason."""
