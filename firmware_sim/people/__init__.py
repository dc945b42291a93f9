"""People: preferences, itineraries, true probabilities of acceptance and purchase, and the ground truth of a run."""
