"""Planning tools: criteria weights, compromise ranking, segments, surveys, path models, criteria tests, coded interviews, sample size."""
