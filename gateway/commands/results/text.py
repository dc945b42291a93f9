"""The figures as plain text tables, shared by the terminal and the page: headings, and rows of cells."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from gateway.commands.results.figures import TOTAL, Later
from gateway.core.measure.rates import Interval

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.commands.results.figures import Money, Results
    from gateway.core.measure.lift import Lift

SILENCES_MAX = 12


class Part(NamedTuple):
    """A table with a title, and a line of explanation; `columns` may be empty, then the part is the line alone."""

    title: str
    line: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def parts(found: Results) -> Iterator[Part]:
    """The parts of the report, in order."""
    yield Part("Results", _summary(found))
    yield _funnel(found)
    yield _rates(found)
    yield _lift(found)
    yield _money(found.money)
    yield _exposure(found)
    yield _deciles(found)
    yield _fairness(found)
    if found.screens:
        yield _screens(found)
    yield _silence(found)


def waiting(later: Later) -> str:
    """A `Later` as a sentence."""
    if later.more_days is None:
        return f"not known yet: {later.wait}"
    return f"not enough yet, about {later.more_days} more days: {later.wait}"


def interval(of: Interval, digits: int = 3, *, percent: bool = False) -> str:
    """A figure with its interval, as numbers or in percent."""
    form = f".{max(0, digits - 2)}%" if percent else f".{digits}f"
    return f"{of.value:{form}} ({of.low:{form}} … {of.high:{form}})"


def _summary(found: Results) -> str:
    lines = [f"{found.decisions:,} decisions for {found.people:,} people in {found.days:.1f} days."]
    if found.without_consent:
        lines.append(f"Left out: {found.without_consent:,} decisions for people who did not consent to measurement.")
    if found.open_windows:
        lines.append(f"{found.open_windows:,} windows are still open; their offers count in the funnel only.")
    if found.unknown_offers:
        lines.append(f"No longer in the campaign, so without a margin: {', '.join(found.unknown_offers)}.")
    if len(found.policies) > 1:
        counts = ", ".join(f"{policy or 'unknown'} {count:,}" for policy, count in sorted(found.policies.items()))
        lines.append(f"The policy changed within these days, so all figures are a mixture: {counts} decisions.")
    lines += [f"ALARM {alarm}." for alarm in found.alarms]
    return "\n".join(lines)


def _funnel(found: Results) -> Part:
    columns = ("offer", "intended", "held out", "sent", "shown", "opened", "accepted", "redeemed", "dismissed")
    rows = tuple(
        (
            one.offer,
            *(f"{count:,}" for count in (one.intended, one.held_out, one.sent)),
            *(f"{count:,}" for count in (one.shown, one.opened, one.accepted, one.redeemed, one.dismissed)),
        )
        for one in found.funnel
    )
    return Part("Funnel", "Each step counts the offers that came at least so far.", columns, rows)


def _rates(found: Results) -> Part:
    rows = tuple((one.offer, interval(one.accept_rate, percent=True)) for one in found.funnel if one.accept_rate is not None)
    if not rows:
        return Part("Accepted of those sent", "not known yet: no window of an offer that was sent is closed.")
    return Part("Accepted of those sent", "Offers with a closed window.", ("offer", "accepted (95 %)"), rows)


def _lift(found: Results) -> Part:
    title = "What the offers add"
    if isinstance(found.visits, Later) or isinstance(found.added_margin, Later):
        assert isinstance(found.visits, Later)
        return Part(title, f"Visits to the shop within the window, against the holdout: {waiting(found.visits)}.")
    rows = (
        ("visits to the shop, sent", interval(found.visits.treated.interval, percent=True)),
        ("visits to the shop, held out", interval(found.visits.control.interval, percent=True)),
        ("difference", interval(found.visits.difference, percent=True)),
        ("ratio less one", f"{interval(found.visits.ratio)}, z {found.visits.z:.2f}"),
        (f"added margin for each offer, {found.money.currency} minor units", interval(found.added_margin, 1)),
    )
    return Part(title, _verdict(found.visits), ("figure", "value (95 %)"), rows)


def _verdict(visits: Lift) -> str:
    if visits.difference.low > 0:
        return "Offers bring people to the shops who would not have come otherwise."
    if visits.difference.high < 0:
        return "People who are sent offers come less often than those who are not."
    return "No effect is shown: the interval of the difference holds 0."


def _money(money: Money) -> Part:
    rows = [
        ("cost of contacts", f"{money.contact_cost:,.0f}"),
        ("cost of accepted offers", f"{money.offer_cost:,}"),
        ("margin of accepted offers", f"{money.margin:,}"),
        ("purchases that redeemed an offer", f"{money.redeemed:,}"),
        ("cost of one acceptance (CPL)", "none accepted" if money.per_lead is None else f"{money.per_lead:,.1f}"),
        ("return on the cost (ROI), all accepted", "no cost" if money.roi is None else f"{money.roi:+.0%}"),
        (
            "return on the cost, only the added margin",
            waiting(money.roi_added) if isinstance(money.roi_added, Later) else interval(money.roi_added, 2, percent=True),
        ),
    ]
    return Part("Money", f"Minor units of {money.currency}; each accepted offer counts once.", ("figure", "value"), tuple(rows))


def _exposure(found: Results) -> Part:
    ratio, of = found.sample_ratio, found.exposure
    calibration = found.calibration_error
    rows = (
        ("Gini coefficient of the offers (0: all equally often)", f"{of.gini:.2f}"),
        ("share of the offers sent at all", f"{of.coverage:.0%}"),
        ("novelty, bits", f"{of.novelty_bits:.2f}"),
        ("serendipity: accepted offers beyond the popular ones", f"{of.serendipity:.0%}"),
        ("diversity of the offers of one person (0: all alike)", f"{of.diversity:.2f}"),
        (
            "mean gap between propensity and share accepted",
            waiting(calibration) if isinstance(calibration, Later) else f"{calibration:.3f}",
        ),
        (
            "people held out",
            waiting(ratio)
            if isinstance(ratio, Later)
            else f"{ratio.held_out:,} of {ratio.people:,}, {ratio.expected:.0f} expected (p {ratio.p:.2g})",
        ),
    )
    return Part("Spread, calibration and holdout", "", ("figure", "value"), rows)


def _deciles(found: Results) -> Part:
    rows = tuple(
        (
            str(one.number),
            f"{one.rows:,}",
            f"{one.forecast:.1%}",
            "none sent" if one.taken is None else interval(one.taken, percent=True),
            f"{one.held_out:.1%}",
        )
        for one in found.deciles
    )
    if not rows:
        return Part("Tenths of the propensity", "not known yet: fewer than ten offers with a propensity and a closed window.")
    line = "Intended offers, the likeliest first; each tenth holds about the share of the holdout."
    return Part("Tenths of the propensity", line, ("tenth", "offers", "propensity", "accepted (95 %)", "held out"), rows)


def _fairness(found: Results) -> Part:
    if isinstance(found.fairness, Later):
        return Part("Fairness by segment", f"{waiting(found.fairness)}.")
    rows = tuple(
        (
            one.name,
            f"{one.people:,}",
            f"{one.offered:.1%}",
            "too few people" if one.against_most is None else interval(one.against_most, 2),
            "too few" if one.gap is None else interval(one.gap),
            "refused: " + "; ".join(one.refused) if one.refused else "passed",
        )
        for one in found.fairness
    )
    columns = ("segment", "people", "got an offer", "against the most", "propensity less outcome", "gate")
    return Part("Fairness by segment", "Decisions in which offers were scored.", columns, rows)


def _screens(found: Results) -> Part:
    rows = tuple(
        (one.screen, one.offer, f"{one.slots:,}", f"{one.of_groups:,}", f"{one.plays:,}", f"{one.played_s / 60:,.1f}")
        for one in found.screens
    )
    columns = ("screen", "offer", "slots", "for a group", "plays", "minutes")
    return Part("Screens", "Plays and minutes are those that the screens have proven.", columns, rows)


def _silence(found: Results) -> Part:
    by_zone: Counter[tuple[str, str, str]] = Counter()
    for one in found.silence:
        by_zone[one.zone, one.reason, one.meaning] += one.count
    rows = tuple((zone, reason, f"{count:,}", meaning) for (zone, reason, meaning), count in by_zone.most_common(SILENCES_MAX))
    if not rows:
        return Part("Why nothing was offered", "An offer was intended in every decision.")
    more = len(by_zone) - len(rows)
    line = f"The {len(rows)} most frequent; {more} more in the JSON, which also has the hours." if more else "The JSON also has the hours."
    return Part("Why nothing was offered", line, ("zone", "reason", "decisions", "meaning"), rows)


def is_total(row: tuple[str, ...]) -> bool:
    """Whether a row of the funnel is the sum of all offers."""
    return row[0] == TOTAL
