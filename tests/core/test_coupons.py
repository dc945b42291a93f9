"""Coupon codes: what they bind, how they are typed, and each reason for which a till refuses one."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import limits
from gateway.core.coupons import ADVICE, Coupon, CouponError, Reason, check, grouped, issue, read
from tests.kit.coupons import keys, signer

END_S = 1_800_000_000
BEFORE_MS = END_S * 1000 - 1
COUPON = Coupon("gw-a.0f3a2b1c4d5e6f70", "flat-white", "cafe", END_S)
CODE = issue(COUPON, signer())
KNOWN = (
    "04HHAT6HDD4X400F78NHRKAYDXR08SVQ5NGG8RV1CSJGMSKCC5T2TXV8D5T6BR79M5CZBGFY0MCBPEGM3TPJ"
    "A2TS3V2J46BEK1T2GRFTY2EBC66TD5TCBWQRD2K8D58E200QPWSC3PNPR2DR499SCN9RE5V5KJJ51M2G"
)
IDS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,63}", fullmatch=True)


def refused(code: str, shop: str = "cafe", now_ms: int = BEFORE_MS, trusted: tuple[int, ...] = (1,)) -> Reason:
    with pytest.raises(CouponError) as error:
        check(read(code), keys(*trusted), shop, now_ms)
    assert str(error.value).endswith(ADVICE[error.value.reason])
    return error.value.reason


@given(gateway=IDS, number=st.integers(0, 2**64 - 1), offer=IDS, shop=IDS, end_s=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_a_code_holds_its_coupon(gateway: str, number: int, offer: str, shop: str, end_s: int) -> None:
    coupon = Coupon(f"{gateway}.{number:016x}", offer, shop, end_s)
    code = issue(coupon, signer())
    assert read(code).coupon == coupon
    assert issue(coupon, signer()) == code, "the signature is deterministic, so no code needs to be kept"
    assert len(grouped(code)) <= limits.COUPON_CHARS_MAX


def test_the_form_of_a_code_is_fixed() -> None:
    """A till built today must read the codes of a later version: this text may not change."""
    assert CODE.startswith("04")
    assert read(CODE).key_id == signer().key_id
    assert len(CODE) == len(KNOWN) == 164
    assert set(CODE) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ"), "the alphanumeric mode of a QR code"
    assert CODE == KNOWN


@pytest.mark.parametrize("typed", [CODE.lower(), grouped(CODE), f" {grouped(CODE).lower()} \n", CODE.replace("0", "o").replace("1", "l")])
def test_a_typed_code_is_read(typed: str) -> None:
    assert check(read(typed), keys(1), "cafe", BEFORE_MS) == COUPON


def test_each_altered_character_is_noticed() -> None:
    draws = random.Random(5)  # noqa: S311 - a seeded test
    for at in range(len(CODE)):
        other = draws.choice([letter for letter in "0123456789ABCDEFGHJKMNPQRSTVWXYZ" if letter != CODE[at]])
        assert refused(CODE[:at] + other + CODE[at + 1 :]) in {"malformed", "unknown_key", "altered"}


@pytest.mark.parametrize(
    "text",
    ["", "-", "0", "hello", CODE[:-1], CODE + "0", CODE[:80], "U" * 164, "é" * 164, "0" * 164, CODE * 4, "04" + "Z" * 162, "\0" * 10],
)
def test_another_text_is_malformed(text: str) -> None:
    assert refused(text) == "malformed"


@given(st.text(max_size=700))
@settings(max_examples=200, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    assert refused(text) == "malformed"


def test_the_reasons_of_a_till() -> None:
    assert refused(CODE, trusted=(2,)) == "unknown_key"
    assert refused(CODE, shop="bar") == "other_shop"
    assert refused(CODE, now_ms=limits.CLOCK_FLOOR_MS - 1) == "clock_unset"
    assert refused(CODE, now_ms=BEFORE_MS + 1) == "expired"
    assert check(read(CODE), keys(1, 2), "cafe", BEFORE_MS) == COUPON


def test_a_code_of_another_key_with_this_key_id_is_altered() -> None:
    """A forger who knows the public key id, but not the private key."""
    forged = issue(COUPON, signer(2))
    body = read(forged)
    assert keys(1).verify(signer(1).key_id, body.signed, body.signature) is False


@pytest.mark.parametrize(
    "decision", ["", "gw-a", "gw-a.", "gw-a.12", "gw-a.0f3a2b1c4d5e6f7000", ".0f3a2b1c4d5e6f70", "GW.0f3a2b1c4d5e6f70"]
)
def test_a_decision_of_another_form_has_no_coupon(decision: str) -> None:
    with pytest.raises(ValueError, match="id"):
        issue(COUPON._replace(decision=decision), signer())
