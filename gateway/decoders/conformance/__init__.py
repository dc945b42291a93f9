"""The conformance suite that every decoder must pass, ours and those of other distributions. Only tests import it."""
