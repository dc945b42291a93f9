"""Recall and false alarms of the second net on collected and generated texts, beside Presidio's own patterns in the same run.

`python -m tests.adapters.pii_recall` prints the tables. Presidio's column is there if `presidio-analyzer` is installed; it uses
all its built-in recognisers with an empty English pipeline, so names and places, which need a trained one, are not compared. The
collected texts are those on which the patterns were adjusted; the generated ones were not looked at.
"""

from __future__ import annotations

import json
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import phonenumbers

from gateway.adapters.personal_data import Scanner
from gateway.adapters.store.entropy import SystemEntropy
from gateway.core.measure.rates import wilson
from gateway.core.privacy.release import hour_record, offer_records
from gateway.core.privacy.tables import Catalogue, Period, Terms
from tests.kit.shared import shared_path

Finder = Callable[[str], set[str]]
"""The kinds of personal data in a text."""

LABELS = {
    "EMAIL": "e-mail address",
    "CREDIT_CARD": "card number",
    "IBAN": "IBAN",
    "MAC": "MAC address",
    "PHONE": "phone number",
    "LATLON": "coordinates",
}
PRESIDIO = {
    "EMAIL_ADDRESS": "e-mail address",
    "CREDIT_CARD": "card number",
    "IBAN_CODE": "IBAN",
    "MAC_ADDRESS": "MAC address",
    "PHONE_NUMBER": "phone number",
}
NUMBERED = frozenset({"ADDRESS", "NATIONAL_ID", "DRIVER_LICENSE", "POSTCODE", "DATE", "DIGITS"})
"""Labels of texts that are no clean traffic, because they have numbers of people."""
NATIONAL = "phone number, national form"
GENERATED, CLEAN_LINES = 1_000, 10_000
PRESIDIO_REGIONS = ("US", "GB", "DE", "IL", "IN", "CA", "BR")  # whose national phone numbers it looks for by default
REGIONS = "DE AT CH FR IT ES PT NL BE PL CZ SE NO DK FI GB IE US BR JP".split()


class Text(NamedTuple):
    """A text, the kinds that it has, and the kinds that it must not have."""

    text: str
    kinds: frozenset[str]
    forbidden: frozenset[str] = frozenset()
    is_clean: bool = False


class Found(NamedTuple):
    """Texts by kind: `texts` have it and `hits` were found; `negatives` must not have it and raised `alarms`."""

    texts: Counter[str]
    hits: Counter[str]
    negatives: Counter[str]
    alarms: Counter[str]
    clean: int
    alarms_on_clean: int
    us: float

    def recall(self, kind: str) -> float:
        """Share of the texts with a kind in which it was found."""
        return self.hits[kind] / self.texts[kind]


def collected(folder: Path) -> Iterator[Text]:
    """The labelled texts of a folder."""
    for file in sorted(folder.glob("*__text.jsonl")):
        for line in file.read_text("utf-8").splitlines():
            row = json.loads(line)
            spans = [(_kind(span), span["type"]) for span in row["spans"]]
            kinds = frozenset(kind for kind, _ in spans if kind)
            forbidden = frozenset(LABELS[label] for label in row.get("negative_for", ()) if label in LABELS)
            clean = row["kind"] == "sentence" and row["labels_complete"] and not kinds and not NUMBERED & {label for _, label in spans}
            yield Text(row["text"], kinds, forbidden, clean)


def _kind(span: Mapping[str, Any]) -> str | None:
    kind = LABELS.get(span["type"])
    is_international = span["value"].removeprefix("tel:").lstrip(" (").startswith(("+", "00"))
    return NATIONAL if kind == "phone number" and not is_international else kind


def generated(seed: int) -> Iterator[Text]:
    """GENERATED texts of each kind, in sentences."""
    draws = random.Random(seed)  # noqa: S311 - repeatable
    makers: dict[str, Callable[[random.Random], str]] = {
        "e-mail address": _email,
        "card number": _card,
        "IBAN": _iban,
        "MAC address": _mac,
        "phone number": _phone,
    }
    frames = ("{}", "Please write to {}.", "user={} refused", "(siehe {})", '{{"note": "{}", "n": 4}}', "{}, danke", "from:\t{}\n")
    for kind, make in makers.items():
        for _ in range(GENERATED):
            yield Text(draws.choice(frames).format(make(draws)), frozenset({kind}))


def _email(draws: random.Random) -> str:
    name = "".join(draws.choices("abcdefghijklmnopqrstuvwxyzäéß0123456789._-+", k=draws.randint(1, 24))).strip(".") or "a"
    domain = ".".join(
        "".join(draws.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=draws.randint(2, 12))) for _ in range(draws.randint(1, 3))
    )
    return f"{name}@{domain}.{draws.choice(['com', 'de', 'org', 'co.uk', 'museum', 'xn--p1ai'])}"


def _card(draws: random.Random) -> str:
    beginning, length = draws.choice(
        [("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("34", 15), ("37", 15), ("36", 14), ("6011", 16), ("3528", 16)]
    )
    digits = beginning + "".join(draws.choices("0123456789", k=length - len(beginning) - 1))
    total = sum(sum(divmod(2 * int(digit), 10)) if at % 2 == 0 else int(digit) for at, digit in enumerate(reversed(digits)))
    digits += str(-total % 10)
    groups = {16: (4, 4, 4, 4), 15: (4, 6, 5), 14: (4, 6, 4)}[length]
    parts = [digits[sum(groups[:at]) : sum(groups[: at + 1])] for at in range(len(groups))]
    return draws.choice(["", " ", "-"]).join(parts)


def _iban(draws: random.Random) -> str:
    country, length = draws.choice([("DE", 22), ("AT", 20), ("NL", 18), ("FR", 27), ("GB", 22), ("ES", 24), ("NO", 15), ("MT", 31)])
    account = "".join(draws.choices("0123456789", k=length - 4))
    if country in ("NL", "GB"):
        account = "".join(draws.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=4)) + account[4:]
    number = int("".join(str(int(char, 36)) for char in f"{account}{country}00"))
    code = f"{country}{98 - number % 97:02}{account}"
    return draws.choice([code, code.lower(), " ".join(code[at : at + 4] for at in range(0, length, 4))])


def _mac(draws: random.Random) -> str:
    pairs = ["de", *(f"{draws.randrange(256):02x}" for _ in range(5))]
    bare = "".join(pairs)
    spelled = draws.choice([":".join(pairs), "-".join(pairs), " ".join(pairs), bare, f"{bare[:4]}.{bare[4:8]}.{bare[8:]}"])
    return draws.choice([spelled, spelled.upper()])


def _phone(draws: random.Random) -> str:
    while True:
        example = phonenumbers.example_number(draws.choice(REGIONS))
        assert example is not None
        number = str(example.national_number)[:-4] + f"{draws.randrange(10_000):04}"
        drawn = phonenumbers.PhoneNumber(country_code=example.country_code, national_number=int(number))
        if phonenumbers.is_valid_number(drawn):
            form = draws.choice([phonenumbers.PhoneNumberFormat.E164, phonenumbers.PhoneNumberFormat.INTERNATIONAL])
            return phonenumbers.format_number(drawn, form)


def traffic(seed: int) -> Iterator[Text]:
    """CLEAN_LINES lines as gateways write them: records, status, log."""
    draws, entropy = random.Random(seed), SystemEntropy()  # noqa: S311 - repeatable
    for number in range(CLEAN_LINES // 4):
        now_ms = 1_790_000_000_000 + draws.randrange(10**10)
        period = Period(now_ms - now_ms % 3_600_000, now_ms - now_ms % 86_400_000, Terms())
        catalogue = Catalogue(f"gw-{draws.choice('abcdef')}", ("cafe", "plaza", "bar"), {"flat-white": ("cafe", "plaza")})
        code = f"{draws.getrandbits(64):016x}"
        record = hour_record(catalogue, period, {"cafe": draws.randrange(90)}, entropy, code)
        offers = offer_records(catalogue, period, {}, entropy, code)
        lines = (
            msgspec.json.encode(record).decode(),
            msgspec.json.encode(offers[0]).decode(),
            f'{{"v":1,"gateway":"gw-a","at_ms":{now_ms},"uptime_s":{draws.randrange(10**6)},"memory_mib":{draws.random() * 99:.1f}}}',
            f"gw-a.{code} was sent {draws.randrange(9)} times in {draws.randrange(10**5)} ms; {draws.random() * 50:.2f} °C at {number}",
        )
        for line in lines:
            yield Text(line, frozenset(), is_clean=True)


def ours(regions: tuple[str, ...] = ()) -> Finder:
    """The second net of the gateway."""
    scanner = Scanner(regions)
    return lambda text: set(scanner.kinds(text))


def presidio() -> Finder | None:
    """Presidio with all its built-in recognisers and its own threshold of 0; None without it."""
    if find_spec("presidio_analyzer") is None:
        return None
    analyzer, spacy = import_module("presidio_analyzer"), import_module("spacy")
    engine = import_module("presidio_analyzer.nlp_engine")
    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    pipeline = engine.SpacyNlpEngine()
    pipeline.nlp = {"en": spacy.blank("en")}
    found = analyzer.AnalyzerEngine(nlp_engine=pipeline, supported_languages=["en"])
    return lambda text: {PRESIDIO[one.entity_type] for one in found.analyze(text, "en", list(PRESIDIO))}


def measure(texts: Iterator[Text] | Path, finder: Finder) -> Found:
    """Run a finder over texts, or over the collected ones of a folder."""
    found = Found(Counter(), Counter(), Counter(), Counter(), 0, 0, 0.0)
    clean = alarms_on_clean = 0
    rows = list(collected(texts) if isinstance(texts, Path) else texts)
    finder(rows[0].text)
    began = time.process_time()
    answers = [finder(row.text) for row in rows]
    us = 1e6 * (time.process_time() - began) / len(rows)
    for row, kinds in zip(rows, answers, strict=True):
        found.texts.update(row.kinds)
        found.hits.update(kind for kind in row.kinds if kind.partition(",")[0] in kinds)
        found.negatives.update(row.forbidden - row.kinds)
        found.alarms.update((row.forbidden - row.kinds) & kinds)
        clean += row.is_clean
        alarms_on_clean += row.is_clean and bool(kinds)
    return found._replace(clean=clean, alarms_on_clean=alarms_on_clean, us=us)


def _cells(found: Found | None, kind: str) -> str:
    if found is None:
        return f"{'-':>16} {'-':>10}"
    low = wilson(found.hits[kind], found.texts[kind]).low
    return f"{found.recall(kind):9.3f} ({low:.3f}) {found.alarms[kind]:>5}/{found.negatives[kind]:<4}"


def main() -> None:
    """Print the tables."""
    other = presidio()
    sets: dict[str, Callable[[], Iterator[Text]]] = {
        "collected texts": lambda: collected(shared_path("data/pii")),
        f"generated, {GENERATED} of a kind": lambda: generated(1),
        "lines of a gateway": lambda: traffic(1),
    }
    for title, texts in sets.items():
        mine, of_regions = measure(texts(), ours()), measure(texts(), ours(PRESIDIO_REGIONS))
        theirs = measure(texts(), other) if other else None
        lines = [title, f"{'':28} {'texts':>6}  {'recall (low) alarms':>24}  {'Presidio':>24}"]
        lines += [f"{kind:28} {mine.texts[kind]:6}  {_cells(mine, kind)}  {_cells(theirs, kind)}" for kind in sorted(mine.texts)]
        if mine.texts[NATIONAL]:
            lines += [f"{'the same, phone_regions set':28} {of_regions.texts[NATIONAL]:6}  {_cells(of_regions, NATIONAL)}"]
        lines += [
            f"alarms on clean texts: {mine.alarms_on_clean} of {mine.clean}" + (f", Presidio {theirs.alarms_on_clean}" if theirs else "")
        ]
        lines += [f"{mine.us:.0f} us a text" + (f", Presidio {theirs.us:.0f} us" if theirs else ""), ""]
        sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
