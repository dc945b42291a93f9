"""The room between people's contacts and the records that leave: counted once, bounded by person and day, noised.

`contribution` turns contacts into cells, `tables` states which cells exist, `laplace` draws noise, and `release` makes the records.
"""
