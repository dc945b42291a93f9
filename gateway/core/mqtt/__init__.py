"""MQTT 5 and 3.1.1 as a codec without I/O: bytes to packets, packets to bytes, and the rules of one connection of a client.

`properties` is the table of MQTT 5 properties, `decoder` reads a stream of bytes, `encoder` writes packets, `session` is one connection.
Sections and statements such as [MQTT-3.3.1-4] are those of MQTT Version 5.0, OASIS Standard, 7 March 2019.
"""
