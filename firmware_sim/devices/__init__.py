"""Wire formats, one a file: pure functions from what a device knows to the message its firmware sends.

Written from the publishers' descriptions and captured messages, not from the gateway's decoders.
"""
