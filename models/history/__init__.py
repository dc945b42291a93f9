"""Histories of visits, proposals, answers and purchases: two tables, and everything derived from them by SQL.

`interactions` has one row per visit, proposal, silence, answer or purchase of a subject, `baskets` one row per item bought. Both are CSV
files with a header or Parquet, from a gateway's export or from a shop's own system with mapped columns (`columns`, `mapping`). `reading`
checks every row and counts the refused ones by reason; `derived` computes baskets, sequences of visits, RFM summaries and monthly panels;
`labels` builds the training rows. `synthetic` generates histories of any size, `scale` measures time and memory on them.
"""
