"""Fault injection: the rules, the time windows in which a rule is active, and the injector between devices and the broker."""
