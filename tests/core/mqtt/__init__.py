"""Tests of the MQTT codec."""
