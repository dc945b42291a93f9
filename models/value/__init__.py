"""Customer value: expected purchases, expected spend, lifetime value, and the analysis effort that follows.

`bg_nbd` forecasts the number of purchases, `gamma_gamma` the spend per purchase; `forecasts` chooses by held-out months and gives
intervals, `lifetime` combines all into CLV. `decision_parameters`
computes MDV, SBA and IBA, `effort` derives volume, variety and velocity of the analysis, `intent` regresses the intention to buy on all
four. `next_month` is the benchmark of the purchase forecast.
"""
