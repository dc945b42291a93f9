"""Wire formats, one per file: pure functions from values to the MQTT message that the real firmware sends.

Written from the publishers' documentation and from captured messages, not from the gateway's decoders.
"""
