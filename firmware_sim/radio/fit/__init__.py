"""Radio fitted to real traces: parameters for a scenario's `[radio]`, and how well they tell traces that they have not seen."""
