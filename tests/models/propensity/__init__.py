"""Tests of the propensity estimators: known answers, refusals, and parity with their ONNX."""
