"""Radio propagation: a log-distance model with stated spreads, and a model fitted to measured traces."""
