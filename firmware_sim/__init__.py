"""Simulator of a site: people, radio and devices that publish the formats of real products over MQTT.

Neither this package nor the gateway imports the other: with one shared definition of a format, a wrong definition would agree
with itself.
"""
