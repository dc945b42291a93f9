"""Tests of the stream models: known answers, what they must refuse, and parity with their ONNX."""
