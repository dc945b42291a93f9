"""Off-policy evaluation: the mean outcome of another policy, from a log with the probabilities of its choices; `ope`."""
