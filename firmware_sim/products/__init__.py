"""Products: what each kind of device says when it starts, reports, updates or falls silent.

The bytes are made in `firmware_sim.devices`, the life around them (states, time, battery) in `firmware_sim.products.firmware`.
A product knows its number, from which its names and addresses follow, and its surroundings.
"""
