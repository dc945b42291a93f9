"""Tests of the decoders: hand-made cases, the conformance suite and real messages."""
