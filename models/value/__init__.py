"""What a subject and an offer are worth, and how much work each therefore gets.

`purchases` (BG/NBD) says how often somebody will still come, `spend` (gamma-gamma) what they leave each time, `lifetime`
puts both together. `worth` has the other parameters of the sources: the value of a marketing decision and the strength of
an association. `effort` turns them into volume, variety and velocity; `intent` weighs them; `next_month` judges them.
"""
