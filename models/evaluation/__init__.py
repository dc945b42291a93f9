"""Evaluation of forecasts: lift, calibration and fairness, and an HTML report for managers."""
