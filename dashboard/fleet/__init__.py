"""The fleet: the state of each gateway, alarms, and the acknowledgement of an alarm."""
