"""Evaluation of forecasts: known answers, fairness, and the page."""
