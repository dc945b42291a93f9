"""The conformance suite: what every decoder must pass, ours and a plug-in's. Only tests import it."""
