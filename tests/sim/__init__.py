"""Tests of the simulator: reproducible bytes, published formats, behaviour of people and radio."""
