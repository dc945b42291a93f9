"""Products: the messages of each kind of device when it starts, reports, updates or disconnects.

`firmware_sim.devices` encodes the bytes, `firmware_sim.products.firmware` simulates states, time and battery. A product gets
its number, which determines its names and addresses, and its surroundings.
"""
