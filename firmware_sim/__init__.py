"""A street made of arithmetic: people, radio and devices that speak the formats of real products.

Nothing here is imported from the gateway, and nothing there from here: if both read one definition of a
format, a wrong definition would agree with itself.
"""
