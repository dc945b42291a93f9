"""Random advertisements in the name of a brand: always a result, and only possible amounts in it."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.quantities import in_range
from gateway.decoders.bluetooth.advertisement import parse_advertisement
from gateway.decoders.bluetooth.frames import Frame, frame_of
from tests.kit.shared import shared_messages

_MAC = "a4c1380283f4"
_SERVICES = st.sampled_from(
    "181a 181b 181c 181d 181e aa20 f525 fcd2 fd3d 0d00 fd50 fdcd fe95 feaa fee0 fff9 2a6e 2a6f ffe1 fe9a 180f 0000 feab".split()
)
_HEADS = bytes.fromhex(
    "0100 4c00 dc00 9904 4f09 e806 0010 3301 ae01 d506 1121 0188 55aa 88ec ffff aca0 c000 0082 1000 1100 5900 0d00 2c08 3906 6909 0000"
)
_COMPANIES = st.integers(0, len(_HEADS) // 2 - 1).map(lambda place: _HEADS[2 * place : 2 * place + 2])
_LISTED = st.lists(st.sampled_from(["5182", "5183", "5185", "fff0", "20aa"]), max_size=2)
_NAMES = st.sampled_from(["", "sps", "tps", "iBBQ", "ECo", "TP357", "GVH5106", "GVH5055", "WoSensorTH", "MyCO2", "SHT40 Gadget"])
_KEYS = {_MAC: bytes(16)}
DRAWS = 4_000


@settings(max_examples=400)
@given(
    st.lists(st.tuples(_SERVICES, st.binary(max_size=32)), max_size=3),
    st.lists(st.tuples(_COMPANIES, st.binary(max_size=40)), max_size=3),
    _LISTED,
    _NAMES,
    st.sampled_from([{}, _KEYS]),
)
def test_any_frame_of_any_brand(
    services: list[tuple[str, bytes]], manufacturer: list[tuple[bytes, bytes]], listed: list[str], name: str, keys: dict[str, bytes]
) -> None:
    contents = tuple(head + content for head, content in manufacturer)
    said = parse_advertisement(Frame(_MAC, contents, tuple(services), tuple(listed), name), keys)
    assert all(in_range(one.quantity, one.value) for one in said.readings)


def test_real_advertisements_with_a_byte_bent() -> None:
    draw = random.Random(7)  # noqa: S311 - to be repeated, not to be secret
    real = [bytes.fromhex(line["payload_hex"])[14:-1] for line in shared_messages("ble_hci_adv")]
    assert real
    for _ in range(DRAWS):
        data = bytearray(draw.choice(real))
        for _ in range(draw.randint(1, 3)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        said = parse_advertisement(frame_of(bytes(data), _MAC), _KEYS)
        assert all(in_range(one.quantity, one.value) for one in said.readings)
