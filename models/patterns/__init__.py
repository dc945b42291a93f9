"""Patterns: association rules and visit sequences, pruned, validated on later days, and valued.

`itemsets` counts frequent sets, `rules` derives and prunes rules; `basket_file` reads baskets from a text file. `sequences` mines visits,
`journeys` validates the patterns, `cohorts` groups subjects by journey, at least k each. `valuation` drops patterns without value.
"""
