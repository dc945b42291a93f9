"""Check digits of numbers that name a person: payment cards (Luhn) and bank accounts (IBAN, ISO 13616)."""

from __future__ import annotations

from collections.abc import Mapping

CARD_DIGITS_MIN, CARD_DIGITS_MAX = 12, 19
_LUHN_OF_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_CARD_PREFIXES: Mapping[int, tuple[str, ...]] = {
    12: ("50", "56", "57", "58", "6"),
    13: ("4", "50", "56", "57", "58", "6"),
    14: ("30", "36", "38", "39", "50", "56", "57", "58", "6"),
    15: ("34", "37", "1800", "2131", "50", "56", "57", "58", "6"),
    16: ("2", "3", "4", "5", "6", "81"),
    17: ("50", "56", "57", "58", "6"),
    18: ("50", "56", "57", "58", "6"),
    19: ("4", "50", "56", "57", "58", "6"),
}
"""Number of digits -> how issuers' numbers of that length begin. A time in milliseconds has 13 digits and begins with 1."""
_IBAN_CHARS: Mapping[str, int] = {
    code: int(length)
    for length, codes in {
        "15": "NO", "16": "BE", "18": "DK FI FK FO GL NL SD", "19": "MK SI", "20": "AT BA EE KZ LT LU MN XK", "21": "CH HR LI LV",
        "22": "BG BH CR DE GB GE IE ME RS VA", "23": "AE GI IL IQ OM SO TL", "24": "AD CZ ES MD PK RO SA SE SK TN VG YE",
        "25": "AO CV GW LY MZ PT ST", "26": "DZ IR IS TR", "27": "BF BI BJ CF CG CI CM DJ FR GA GQ GR IT KM MC MG ML MR NE SM SN TD TG",
        "28": "AL AZ BY CY DO GT HN HU LB MA NI PL SV", "29": "BR EG PS QA UA", "30": "JO KW MU", "31": "MT SC", "32": "LC", "33": "RU",
    }.items()
    for code in codes.split()
}  # fmt: skip
IBAN_CHARS_MAX = 34


def is_card(digits: str) -> bool:
    """Whether a run of decimal digits can be the number of a payment card: length, beginning and check digit."""
    if not digits.startswith(_CARD_PREFIXES.get(len(digits), ("-",))) or len(set(digits)) == 1:
        return False
    total = sum(_LUHN_OF_DOUBLED[int(digit)] if at % 2 else int(digit) for at, digit in enumerate(reversed(digits)))
    return total % 10 == 0


def is_iban(text: str) -> bool:
    """Whether `text`, capital letters and digits without spaces, begins with an account number that has the right check digits."""
    code = text[: _IBAN_CHARS.get(text[:2], 0)]
    if len(code) < 5 or len(code) < _IBAN_CHARS[text[:2]]:
        return False
    return int("".join(str(int(char, 36)) for char in code[4:] + code[:4])) % 97 == 1
