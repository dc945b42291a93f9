"""Tools for planning: how much a criterion weighs, which alternative is a fair compromise, who the customers are, what a survey bears."""
