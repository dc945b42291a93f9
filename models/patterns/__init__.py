"""What goes together and what follows what, kept only where it is real, new and worth something.

`itemsets` counts, `rules` judges and prunes, `worth` values and drops what has no value, `sequences` mines visits,
`journeys` keeps what repeats and holds on later days, `cohorts` says who shares a journey, never fewer than k of them.
"""
