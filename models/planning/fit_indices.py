"""Whether printed fit indices of a structural equation model are possible together.

All indices of one model are computed from four numbers: chi-square and degrees of freedom of the model and of the baseline model, which has
more degrees of freedom and fits worse. The definitions therefore put the figures in order (Bentler 1990, Bollen 1989):

- NNFI (= TLI) < CFI < IFI for every model whose chi-square is above its degrees of freedom, which is one with CFI below 1;
- RFI <= NFI, RFI <= NNFI, NFI <= CFI, NFI <= IFI, and AGFI <= GFI;
- RMSEA² = (chi²/df - 1) / (n - 1), or 0 if chi²/df is below 1, where CFI is 1.

A figure is read with its printed places: ".95" is anything from .945 to .955. A contradiction is reported only if no such figures agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from itertools import combinations

import msgspec

from models.planning.sheets import PlanningError

# (lesser, greater): orders that hold for every model.
ORDERS = (("rfi", "nfi"), ("rfi", "nnfi"), ("nfi", "cfi"), ("nfi", "ifi"), ("agfi", "gfi"))
# Strict orders that hold if chi-square is above the degrees of freedom.
ORDERS_BELOW_PERFECT = (("nnfi", "cfi"), ("cfi", "ifi"), ("nnfi", "ifi"))
_LIMITS = {"cfi": (0, 1), "gfi": (None, 1), "agfi": (None, 1), "nfi": (0, 1), "rmsea": (0, None), "chi2_per_df": (0, None)}
INDICES = ("cfi", "nnfi", "ifi", "nfi", "rfi", "gfi", "agfi", "rmsea", "chi2_per_df")


class Printed(msgspec.Struct, frozen=True):
    """A figure as it is printed, and the values that round to it."""

    text: str
    low: Decimal
    high: Decimal


class Check(msgspec.Struct, frozen=True):
    """One relation between printed figures: whether it can hold, and why."""

    relation: str
    printed: str
    possible: bool


def printed(text: str) -> Printed:
    """Figure of a text such as ".95". Raises PlanningError if it is not a number."""
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        raise PlanningError(f"{text!r} is not a printed figure, such as .95") from None
    if not value.is_finite():
        raise PlanningError(f"{text!r} is not a finite figure")
    half = Decimal(1).scaleb(int(value.as_tuple().exponent)) / 2
    return Printed(text.strip(), value - half, value + half)


def check_indices(
    indices: Mapping[str, str], respondents: int | None = None, repeated: Mapping[str, Sequence[str]] | None = None
) -> list[Check]:
    """Checks of printed indices (by their name in INDICES), and of figures that are printed more than once.

    Raises PlanningError if an index is unknown or not a number, or if nothing can be checked.
    """
    if unknown := sorted(set(indices) - set(INDICES)):
        raise PlanningError(f"no index is called {unknown[0]!r}; there are {', '.join(INDICES)}")
    figures = {name: printed(text) for name, text in indices.items()}
    checks = [*_limit_checks(figures), *_order_checks(figures), *_rmsea_checks(figures, respondents)]
    for name, texts in (repeated or {}).items():
        checks += _repeat_checks(name, texts)
    if not checks:
        raise PlanningError("nothing to check: give two indices of one model, or one figure that is printed twice")
    return checks


def _limit_checks(figures: Mapping[str, Printed]) -> list[Check]:
    """Faults only: an index within its limits is not listed."""
    checks = []
    for name, (least, most) in _LIMITS.items():
        figure = figures.get(name)
        if figure is None:
            continue
        if (least is not None and figure.high < least) or (most is not None and figure.low > most):
            between = f"{'' if least is None else f'{least} <= '}{_title(name)}{'' if most is None else f' <= {most}'}"
            checks.append(Check(between, f"{_title(name)} {figure.text}", possible=False))
    return checks


def _order_checks(figures: Mapping[str, Printed]) -> list[Check]:
    checks = []
    for orders, strictly in ((ORDERS, False), (ORDERS_BELOW_PERFECT if _is_below_perfect(figures) else (), True)):
        for lesser, greater in orders:
            if lesser in figures and greater in figures:
                low, high = figures[lesser].low, figures[greater].high
                relation = f"{_title(lesser)} {'<' if strictly else '<='} {_title(greater)}"
                text = f"{_title(lesser)} {figures[lesser].text}, {_title(greater)} {figures[greater].text}"
                checks.append(Check(relation, text, possible=low < high if strictly else low <= high))
    cfi, ratio = figures.get("cfi"), figures.get("chi2_per_df")
    if cfi is not None and ratio is not None and ratio.high < 1:
        checks.append(Check("CFI = 1 if chi²/df < 1", f"CFI {cfi.text}, chi²/df {ratio.text}", possible=cfi.high >= 1))
    return checks


def _is_below_perfect(figures: Mapping[str, Printed]) -> bool:
    """True if a figure shows that chi-square is above its degrees of freedom."""
    below = any(name in figures and figures[name].high <= 1 for name in ("cfi", "nnfi", "ifi"))
    above = any(name in figures and figures[name].low >= least for name, least in (("chi2_per_df", 1), ("rmsea", 0)))
    return below or above


def _rmsea_checks(figures: Mapping[str, Printed], respondents: int | None) -> list[Check]:
    """RMSEA from chi²/df: some programs divide by n, others by n - 1; both are allowed."""
    rmsea, ratio = figures.get("rmsea"), figures.get("chi2_per_df")
    if rmsea is None or ratio is None or respondents is None:
        return []
    if respondents < 2:
        raise PlanningError(f"{respondents} respondents have no RMSEA; at least 2 are needed")
    low, high = (max(Decimal(0), bound - 1) for bound in (ratio.low, ratio.high))
    least, most = (low / respondents).sqrt(), (high / (respondents - 1)).sqrt()
    relation = f"RMSEA = sqrt((chi²/df - 1) / (n - 1)) = {least:.4f} to {most:.4f}"
    text = f"RMSEA {rmsea.text}, chi²/df {ratio.text}, n {respondents}"
    return [Check(relation, text, possible=least <= rmsea.high and rmsea.low <= most)]


def _repeat_checks(name: str, texts: Sequence[str]) -> list[Check]:
    if len(texts) < 2:
        raise PlanningError(f"--same {name}: give the figure at least twice, such as {name}=.790,.76")
    figures = [printed(text) for text in texts]
    return [
        Check(f"{name} is one figure", f"{one.text} and {other.text}", possible=one.low <= other.high and other.low <= one.high)
        for one, other in combinations(figures, 2)
    ]


def _title(name: str) -> str:
    return "chi²/df" if name == "chi2_per_df" else name.upper()
