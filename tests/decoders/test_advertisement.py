"""Raw Bluetooth advertisements: identities and readings, and none for "not available" values and noise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.quantities import in_range
from gateway.decoders.bluetooth.advertisement import NOTHING, Advertisement, parse_advertisement, parse_hex
from gateway.decoders.bluetooth.beacons import ibeacon
from gateway.decoders.bluetooth.frames import Frame, frame_of
from gateway.decoders.bluetooth.ruuvi import decode_ruuvi
from gateway.decoders.contract import DecodeError
from gateway.decoders.values.radio_ids import canonical_id, eui, eui_or_none, ibeacon_id, mac, mac_or_none

IBEACON = "0201061aff4c0002155a1e00000000400080000000000000ff03e80007c5"


def test_an_ibeacon() -> None:
    assert parse_hex(IBEACON) == Advertisement("iBeacon:5a1e0000-0000-4000-8000-0000000000ff-1000-7", -59.0, is_known=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "020106",
        "0201061aff4c000215",  # cut off
        "1aff4c0003155a1e00000000400080000000000000ff03e80007c5",  # another of Apple's types
        "1aff150002155a1e00000000400080000000000000ff03e80007c5",  # another company
        "00" + IBEACON,  # padding ends an advertisement
        "03039904",
        "04ff9904ff",
        "02011a0aff4c0010054b1c3d5e6f",  # of a phone
        "1eff06000109200262a12a0e18f1516c3d7dabd42556c51b45e9094eb88d2b",  # a laptop's
    ],
)
def test_what_is_not_understood_says_nothing(text: str) -> None:
    assert parse_hex(text) == NOTHING


@pytest.mark.parametrize("text", [None, 7, "0", "zz", "02 0", ["02"]])
def test_what_is_not_hex_is_no_advertisement(text: object) -> None:
    assert parse_hex(text) is None


def test_structures_stop_where_one_is_cut_off() -> None:
    assert frame_of(bytes.fromhex("020106 0303aafe 09ff01")) == Frame(listed=("feaa",))


@pytest.mark.parametrize("tx", [-59, 0, 4])
def test_measured_power_is_signed(tx: int) -> None:
    content = bytes.fromhex("4c0002155a1e00000000400080000000000000ff03e80007") + tx.to_bytes(1, "big", signed=True)
    said = ibeacon(content)
    assert said is not None
    assert said.tx_power_dbm == tx


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (  # the worked example of the specification (data format 5)
            "0512fc5394c37c0004fffc040cac364200cdcbb8334c884f",
            {"temperature": 24.3, "humidity": 53.49, "pressure": 1000.44, "voltage": 2.977},
        ),
        ("058000ffffffff800080008000ffffffffffffffffffffff", {}),  # its "not available"
        ("057ffffffefffe7fff7fff7fffffdefefffecbb8334c884f", {"voltage": 3.646}),  # its maxima: only the battery is possible
        ("03291a1ece1efc18f94202ca0b53", {"temperature": 26.3, "humidity": 20.5, "pressure": 1027.66, "voltage": 2.899}),
        ("03008145ffff0000000000000b53", {"temperature": -1.69, "humidity": 0.0, "voltage": 2.899}),  # sign and magnitude
        ("c512fc5394c37cac364200cdcbb8334c884f", {"temperature": 24.3, "humidity": 53.49, "pressure": 1000.44, "voltage": 2.977}),
        ("068000ffffffffffffffffffffff00ffc04c884f", {}),
    ],
)
def test_ruuvi_formats(data: str, expected: dict[str, float]) -> None:
    ruuvi = decode_ruuvi(bytes.fromhex(data))
    assert ruuvi is not None
    assert {one.quantity: one.value for one in ruuvi.readings} == pytest.approx(expected)


@pytest.mark.parametrize("data", ["", "05", "0512fc5394c37c0004fffc040cac364200cdcbb8334c88", "07" + "00" * 30])
def test_ruuvi_formats_that_are_not_known(data: str) -> None:
    assert decode_ruuvi(bytes.fromhex(data)) is None


@given(st.binary(max_size=300))
def test_any_bytes_have_an_answer(data: bytes) -> None:
    said = parse_advertisement(frame_of(data))
    assert all(in_range(one.quantity, one.value) for one in said.readings)


@given(st.sampled_from([b"\x99\x04\x03", b"\x99\x04\x05", b"\x99\x04\x06", b"\x99\x04\xc5", b"\x99\x04\xe1"]), st.binary(max_size=60))
def test_any_measurement_is_possible(head: bytes, data: bytes) -> None:
    said = parse_advertisement(Frame(manufacturer=(head + data,)))
    assert all(in_range(one.quantity, one.value) for one in said.readings)


@pytest.mark.parametrize(
    ("stated", "canonical"),
    [
        ("iBeacon:5A1E0000-0000-4000-8000-0000000000FF-1000-7", "iBeacon:5a1e0000-0000-4000-8000-0000000000ff-1000-7"),
        ("ibeacon:A-1-2", "iBeacon:a-1-2"),
        ("E3:75:CF:00:00:01", "e375cf000001"),
        ("E3-75-CF-00-00-01", "e375cf000001"),
        ("E375CF000001", "e375cf000001"),
        ("E3:75-CF:00:00:01", "E3:75-CF:00:00:01"),
        ("known:E375CF000001", "known:E375CF000001"),
        ("Kiosk-3", "Kiosk-3"),
    ],
)
def test_canonical_ids(stated: str, canonical: str) -> None:
    assert canonical_id(stated) == canonical
    assert canonical_id(canonical) == canonical


@pytest.mark.parametrize(
    "parts", [("5a1e", 1, 1), (None, 1, 1), ("0" * 32, -1, 1), ("0" * 32, 1, 65_536), ("0" * 32, True, 1), ("٣" * 32, 1, 1)]
)
def test_parts_that_make_no_beacon(parts: tuple[object, object, object]) -> None:
    assert ibeacon_id(*parts) is None


@pytest.mark.parametrize(
    "stated", ["", "E375CF00000", "E3:75:CF:00:00:01:02", "G375CF000001", 12, None, "E3:75-CF:00:00:01", "E3:75:CF:00:00:01\n"]
)
def test_what_is_no_mac(stated: object) -> None:
    assert mac_or_none(stated) is None
    with pytest.raises(DecodeError):
        mac(stated, "mac")


@pytest.mark.parametrize(
    ("stated", "canonical"),
    [("70B3D57BA000156B", "70b3d57ba000156b"), ("eui-70-b3-d5-7b-a0-00-15-6b", "70b3d57ba000156b"), ("70b3d57ba000156", None), (7, None)],
)
def test_dev_euis(stated: object, canonical: str | None) -> None:
    assert eui_or_none(stated) == canonical
    if canonical is None:
        with pytest.raises(DecodeError):
            eui(stated, "devEui")
    else:
        assert eui(stated, "devEui") == canonical
