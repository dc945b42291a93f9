"""Finds personal data in text: the second net, behind records that have no text in the first place.

Cards and IBANs are confirmed by check digits, phone numbers by the numbering plans (libphonenumber). Patterns run in RE2, in time linear
in the text, and each number costs a bounded time. There is no network, and the findings are never repeated.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args

import re2

from gateway.core.privacy.checksums import CARD_DIGITS_MAX, CARD_DIGITS_MIN, IBAN_CHARS_MAX, is_card, is_iban

Kind = Literal["e-mail address", "card number", "IBAN", "MAC address", "phone number", "coordinates", "text too long to check"]
KINDS: tuple[Kind, ...] = get_args(Kind)
CHARS_MAX = 8_192  # of a field; a file is read line by line
NUMBERS_MAX = 200  # phone numbers that are looked up in one text; a text with more counts as having one

_AT = re2.compile(r"""[^\s@<>,;:]@(?:[\pL\d-]+(?:\.[\pL\d-]+)*\.?(?:\pL|xn--)|\[[\d.:A-Za-z]+\])""")
_DIGITS = re2.compile(r"\d(?:[ -]?\d){11,}")
_IBAN = re2.compile(r"(?i)[A-Z]{2}[ -]?\d{2}")
_MAC = re2.compile(
    r"(?i)(?:[0-9A-F]{2}(?:(?::[0-9A-F]{2}){5}|(?:-[0-9A-F]{2}){5}|(?: [0-9A-F]{2}){5}|(?::[0-9A-F]{2}){7}|(?:-[0-9A-F]{2}){7})"
    r"|[0-9A-F]{4}\.[0-9A-F]{4}\.[0-9A-F]{4}|[0-9A-F]{12})"
)
_INTERNATIONAL = re2.compile(r"(?:\+|\b00|tel:)[ (]*\d(?:[ ()./-]{0,3}\d){5,16}")
_PRINTED = re2.compile(r"\(\d{2,5}\)[ -]?\d{2,4}[ -]?\d{3,4}(?:[ -]?\d{2,4})?|\d{3}[-.]\d{3}[-.]\d{4}|0\d(?:[ ./-]?\d){7,9}")
"""Numbers without country code in a usual print: area code in brackets, the North American form, or a leading zero."""
_NATIONAL = re2.compile(r"\(?\d(?:[ ()./-]{0,3}\d){6,14}")
_AMOUNT = re2.compile(r"1\d{12}|[1-9]\d*0000|[1-9]\d*\.\d+")
"""A time in milliseconds, a round number or a decimal one: taken for no national phone number, though some countries have such."""
_DATES = re2.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[T ]+\d{1,2}[:.]\d{2})?|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}")
_UUID = re2.compile(r"(?i)[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}")
_PLACE = re2.compile(
    r"""(?i)(?:\b|_)(?:lat(?:itude)?|lon(?:gitude)?|lng|coordinates)(?:_deg)?["']?\s*[:=]\s*["'\[]*\s*[-+]?\d"""
    r"""|\d\s*°\s*(?:\d|[NSEWO]\b)"""
    r"""|geo:[-+]?\d"""
)
_PAIR = re2.compile(r"([-+]?\d{1,3}\.\d{3,})\s*[,;/ ]\s*([-+]?\d{1,3}\.\d{3,})")
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2212"), "-")
_LAYOUTS = frozenset({(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 4, 5), (4, 4, 4, 1)})
"""Groups of digits in which a card number is printed."""


class Scanner:
    """Looks for personal data; phone numbers in national form are found for `regions` only (ISO 3166, such as DE)."""

    def __init__(self, regions: Sequence[str] = ()) -> None:
        """Raises ValueError for an unknown region."""
        unknown = set(regions)
        if unknown:
            import phonenumbers  # noqa: PLC0415 - its tables are large, and few texts have a number

            unknown -= phonenumbers.SUPPORTED_REGIONS
        if unknown:
            raise ValueError(f"{min(unknown)!r} is no country with phone numbers; write its two capital letters, such as DE")
        self._regions = tuple(regions)

    def __call__(self, text: str) -> Kind | None:
        """The kind of personal data that `text` has, or None."""
        return next(self.kinds(text), None)

    def kinds(self, text: str) -> Iterator[Kind]:
        """All kinds of personal data that `text` has."""
        if len(text) > CHARS_MAX:
            yield "text too long to check"
            return
        plain = text if text.isascii() else _plain(text)
        if "@" in plain and _AT.search(plain):
            yield "e-mail address"
        if any(map(_has_card, _alone(_DIGITS, plain))):
            yield "card number"
        if any(_is_iban_at(plain, found.start()) for found in _IBAN.finditer(plain)):
            yield "IBAN"
        if any(not found.isdecimal() for found in _alone(_MAC, _UUID.sub("#", plain))):
            yield "MAC address"
        if self._has_phone(plain):
            yield "phone number"
        if _PLACE.search(plain) or any(_is_place(found.group(1), found.group(2)) for found in _PAIR.finditer(plain)):
            yield "coordinates"

    def clean(self, text: str) -> str:
        """`text`, or the kind of personal data in its place: the whole field goes."""
        kind = self(text)
        return text if kind is None else f"[removed: {kind}]"

    def _has_phone(self, text: str) -> bool:
        numbers = 0
        for found in _INTERNATIONAL.finditer(text):
            numbers += 1
            if numbers > NUMBERS_MAX or _is_phone(_dialled(found.group()), None):
                return True
        undated = _DATES.sub("#", text)
        if next(_alone(_PRINTED, undated), None) is not None:
            return True
        for candidate in _alone(_NATIONAL, undated) if self._regions else ():
            if _AMOUNT.fullmatch(candidate):
                continue
            numbers += 1
            if numbers > NUMBERS_MAX or any(_is_phone(candidate, region) for region in self._regions):
                return True
        return False


class LogFilter(logging.Filter):
    """Removes each argument of a log message that has personal data; a message that has some itself is removed as a whole."""

    def __init__(self, scanner: Scanner) -> None:
        super().__init__()
        self._scanner = scanner

    def filter(self, record: logging.LogRecord) -> bool:
        """True: the record is written, without the removed fields."""
        if isinstance(record.args, tuple):
            record.args = tuple(self._argument(one) for one in record.args)
        elif record.args:
            record.args = {name: self._argument(one) for name, one in record.args.items()}
        text = record.getMessage()
        if self._scanner(text) is not None:
            record.msg, record.args = self._scanner.clean(text), ()
        if record.exc_info and record.exc_info[1] is not None and self._scanner(str(record.exc_info[1])) is not None:
            record.exc_info = record.exc_text = None
        return True

    def _argument(self, value: object) -> object:
        if isinstance(value, int | float):
            return value
        kind = self._scanner(str(value))
        return value if kind is None else f"[removed: {kind}]"


def _plain(text: str) -> str:
    """The text with one spelling of digits, letters, dashes and spaces, and without invisible characters."""
    folded = unicodedata.normalize("NFKC", text.translate(_INVISIBLE)).translate(_DASHES)
    return "".join(str(unicodedata.decimal(one)) if one.isdecimal() else one for one in folded)


def _alone(pattern: Any, text: str) -> Iterator[str]:
    """The matches that no letter or digit touches."""
    for found in pattern.finditer(text):
        before, after = text[found.start() - 1 : found.start()], text[found.end() : found.end() + 1]
        if not before.isalnum() and not after.isalnum():
            yield found.group()


def _has_card(run: str) -> bool:
    """Whether a run of digits is a card number, or contains one that is printed in the usual groups."""
    groups = run.replace("-", " ").split(" ")
    if is_card("".join(groups)):
        return True
    for at in range(len(groups)):
        if CARD_DIGITS_MIN <= len(groups[at]) <= CARD_DIGITS_MAX and is_card(groups[at]):
            return True
        for width in (3, 4, 5):
            some = groups[at : at + width]
            if tuple(map(len, some)) in _LAYOUTS and is_card("".join(some)):
                return True
    return False


def _is_iban_at(text: str, start: int) -> bool:
    if text[start - 1 : start].isalnum():
        return False
    piece = text[start : start + 2 * IBAN_CHARS_MAX].upper()
    code: list[str] = []
    for at, char in enumerate(piece):
        if char.isascii() and char.isalnum():
            code.append(char)
        elif char not in " -" or not piece[at + 1 : at + 2].isalnum():
            break
    return is_iban("".join(code[:IBAN_CHARS_MAX]))


def _dialled(found: str) -> str:
    number = found.removeprefix("tel:").strip()
    return f"+{number[2:]}" if number.startswith("00") else number if number.startswith("+") else f"+{number}"


def _is_phone(text: str, region: str | None) -> bool:
    """Whether a number can be dialled: a possible one in international form, a valid one in the form of a region."""
    import phonenumbers  # noqa: PLC0415 - as above

    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_possible_number(number) if region is None else phonenumbers.is_valid_number(number)


def _is_place(latitude: str, longitude: str) -> bool:
    return abs(float(latitude)) <= 90 and abs(float(longitude)) <= 180
