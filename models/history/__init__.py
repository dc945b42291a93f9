"""What happened on a street, as two tables, and everything the workstation derives from them by SQL.

`interactions` holds a row for every visit, proposal, silence, answer and purchase of a subject; `baskets` a row for every
item bought. Both come as CSV with a header or as Parquet, from a gateway's export or from a shop's own system with its
columns mapped (`columns`, `mapping`). `reading` checks every row and counts those it refuses by reason; `derived` makes
baskets, sequences of visits, summaries and monthly panels; `teaching` makes the rows that a model learns from.
"""
