"""The privacy page: the records that leave, epsilon spent by gateway and day, bounds, audits, and a record before and after the noise."""
