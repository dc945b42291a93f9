"""Measures of a decision log: rates and lift with intervals, holdout, exposure, calibration, fairness.

Pure, on numpy alone: `wayside results` computes them on the device. Outcomes of one person resemble each other, so every interval over
decisions counts people as the independent units.
"""
