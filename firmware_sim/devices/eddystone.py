"""Eddystone-EID: a beacon whose id changes every few minutes and means nothing without its key.

After the specification (github.com/google/eddystone, eddystone-eid/eid-computation.md and README.md): a temporary key is the AES-128, under
the identity key, of eleven zeros, 0xFF, two zeros and the upper half of the time; the id is the first 8 bytes of the AES-128, under the
temporary key, of eleven zeros, the exponent K and the time, with its lowest K bits cleared. The frame is service data of 0xFEAA: type 0x30,
the power at 0 m, the id.
"""

from __future__ import annotations

import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from firmware_sim.devices.ble import FLAGS, SERVICE_DATA_16, Advertisement, structure

SERVICE = 0xFEAA
FRAME_EID = 0x30
EXPONENT = 9  # a new id every 512 s
POWER_AT_1M_DB = 41  # below the power at 0 m


def window(unix_s: int) -> int:
    """Number of the time window; the id changes with it."""
    return unix_s >> EXPONENT


def ephemeral_id(key: bytes, unix_s: int) -> bytes:
    """The 8 bytes that a phone with this key advertises at a time (Unix seconds)."""
    time_s = window(unix_s) << EXPONENT
    temporary = _aes(key, bytes(11) + b"\xff" + bytes(2) + struct.pack(">H", time_s >> 16))
    return _aes(temporary, bytes(11) + bytes((EXPONENT,)) + struct.pack(">I", time_s))[:8]


def advertisement(address: bytes, key: bytes, unix_s: int, power_1m_dbm: int) -> Advertisement:
    """The frame with the id of this time."""
    frame = struct.pack("<HBb", SERVICE, FRAME_EID, power_1m_dbm + POWER_AT_1M_DB) + ephemeral_id(key, unix_s)
    return Advertisement(address, FLAGS + structure(0x03, struct.pack("<H", SERVICE)) + structure(SERVICE_DATA_16, frame))


def _aes(key: bytes, block: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - one block, as the specification demands
    return encryptor.update(block) + encryptor.finalize()
