"""Judging forecasts: known answers, fairness, and the page."""
