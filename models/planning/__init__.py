"""Planning tools: criteria weights (AHP), compromise ranking (VIKOR), segments and clusters, survey scales, sample size."""
