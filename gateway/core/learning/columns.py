"""The learned state of a campaign's offers as columns, so that all open offers are weighed at once.

A column is worked out again where the value that it comes from has been replaced: values of the state are immutable, so the same object has
the same figures. The columns hold no knowledge, and a decision is the same with new ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from gateway.core.context import Contact
from gateway.core.learning import anyway, busy, person
from gateway.core.learning.anyway import Habit, Visits
from gateway.core.learning.busy import Busy
from gateway.core.learning.outlook import DEVIATIONS, Level, Outlook
from gateway.core.learning.person import Effect
from gateway.core.learning.regression import Weights
from gateway.core.learning.state import ALL
from gateway.core.learning.types import category_key
from gateway.core.measure.exposure import gini
from gateway.core.offers import Offer

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]
NO_OUTLOOK = Outlook()
SHOWN_PRIOR = 10.0  # messages
GINI_AIM, GINI_POWER, LEVER_MAX = 0.12, 4, 4.0
T = TypeVar("T")


class _Wide(NamedTuple):
    """The weights of a category and of all offers, and the sums of both: means and variances."""

    category: Weights
    everyone: Weights
    means: Floats
    variances: Floats


class Outlooks(NamedTuple):
    """Outlooks of n offers: distribution of deviations (DEVIATIONS, n), level and rows of it, mean and slope of `anyway`."""

    deviations: Floats
    level: Floats
    rows: Floats
    anyway: Floats
    slope: Floats


class Columns:
    """Columns of a campaign's `offers`; `shape` is that of the weights, `start` the weights before any answer, the narrowest first."""

    def __init__(self, offers: Sequence[Offer], shape: tuple[int, int], start: Sequence[Weights]) -> None:
        """Work out all that does not change."""
        count, self.size = len(offers), shape[0] * shape[1]
        self._start = tuple(start)
        self.ids = [offer.id for offer in offers]
        self._position = {id_: at for at, id_ in enumerate(self.ids)}
        self._categories, self.category = _codes(category_key(offer.category) for offer in offers)
        self._of_category = {key: np.flatnonzero(self.category == code) for code, key in enumerate(self._categories)}
        self.shops, self.shop = _codes(offer.shop for offer in offers)
        self._shop_code = {shop: code for code, shop in enumerate(self.shops)}
        self.value = np.array([offer.value_minor for offer in offers], dtype=np.float64)
        self._value_mean = float(self.value.mean()) if count else 0.0
        self.usual = np.array([offer.usual_minor for offer in offers])
        self.cap = np.array([offer.per_person_day_max for offer in offers], dtype=np.float64)
        self._starts_ms = np.array([offer.starts_ms for offer in offers], dtype=np.float64)
        self.ends_ms = np.array([offer.ends_ms for offer in offers], dtype=np.float64)
        placed = [tuple(sorted({f"{zone}|{when}" for zone in offer.zones for when in offer.occasions})) for offer in offers]
        placements, self.placement = _codes(placed)
        self._places = sorted({place for places in placements for place in places})
        self._holds = np.array([[place in places for place in self._places] for places in placements], dtype=np.float64)
        self._weights = np.zeros((count, self.size)), np.zeros((count, self.size))
        self._held: list[tuple[Weights, _Wide] | None] = [None] * count
        self._wide: list[_Wide | None] = [None] * len(self._categories)
        self._outlooks = np.zeros((len(DEVIATIONS) + 4, count))
        self._outlook: list[Outlook | None] = [None] * count
        self._stale = np.ones(count, dtype=np.bool_)
        self._stale_outlooks = np.ones(count, dtype=np.bool_)
        self._of: dict[str, tuple[tuple[object, ...], Floats]] = {}
        self._models: Mapping[str, Weights] | None = None
        self._known_outlooks: Mapping[str, Outlook] | None = None

    def weights(self, models: Mapping[str, Weights], positions: Positions) -> tuple[Floats, Floats]:
        """Means and variances of the sums over each offer's models, flat (all offers x size); valid at `positions`."""
        if models is not self._models:
            self._models = models
            self._stale[:] = True
        for at in positions[self._stale[positions]].tolist():
            own, wide = models.get(self.ids[at], self._start[0]), self._widely(models, int(self.category[at]))
            held = self._held[at]
            if held is None or held[0] is not own or held[1] is not wide:
                self._held[at] = own, wide
                self._weights[0][at] = np.frombuffer(own.means, "<f8") + wide.means
                self._weights[1][at] = np.frombuffer(own.variances, "<f8") + wide.variances
            self._stale[at] = False
        return self._weights[0].reshape(-1), self._weights[1].reshape(-1)

    def outlooks(self, outlooks: Mapping[str, Outlook], positions: Positions) -> Outlooks:
        """The outlooks of n offers."""
        if outlooks is not self._known_outlooks:
            self._known_outlooks = outlooks
            self._stale_outlooks[:] = True
        for at in positions[self._stale_outlooks[positions]].tolist():
            one = outlooks.get(self.ids[at], NO_OUTLOOK)
            if one is not self._outlook[at]:
                self._outlook[at] = one
                deviations = np.array(one.deviations)
                figures = one.level.mean, one.level.rows, one.anyway.mean, one.slope
                self._outlooks[:, at] = [*(deviations / deviations.sum()).tolist(), *figures]
            self._stale_outlooks[at] = False
        found = self._outlooks[:, positions]
        return Outlooks(found[: len(DEVIATIONS)], *found[len(DEVIATIONS) :])

    def levers(self, shown: Mapping[str, float], now_ms: int) -> Floats:
        """Minor units by which a message is worth more for offers shown less than an even share, and less for others, (all offers,).

        The same for all people and moments: with a bound on the exposure of each offer, the most margin has one price a message and offer.
        It is the logarithm of the even exposure over the offer's own, in mean margins, times a power of the Gini coefficient of the offers
        that are live at the full hour: exposures that are nearly even cost no margin. A few messages of each are counted besides, as the
        first ones are uneven by chance.
        """
        hour = now_ms // busy.HOUR_MS
        return self._kept("levers", (shown, hour), lambda: self._levers(shown, hour * busy.HOUR_MS))

    def _levers(self, shown: Mapping[str, float], hour_ms: int) -> list[float]:
        counts = np.array([shown.get(id_, 0.0) for id_ in self.ids]) + SHOWN_PRIOR
        present = counts[(self._starts_ms <= hour_ms) & (hour_ms < self.ends_ms)]
        if not len(present):
            return [0.0] * len(counts)
        strength = min((gini(present.tolist()) / GINI_AIM) ** GINI_POWER, LEVER_MAX) * self._value_mean
        apart: list[float] = (np.minimum(np.maximum(np.log(present.mean() / counts), -1.0), 1.0) * strength).tolist()
        return apart

    def habits(self, habits: Mapping[str, Habit]) -> Floats:
        """Factors of a person on the visits of each shop, (shops,)."""
        found = np.ones(len(self.shops))
        for shop in habits.keys() & self._shop_code.keys() if habits else ():
            found[self._shop_code[shop]] = habits[shop].factor
        return found

    def anyway(self, visits: Mapping[str, Visits], zone: str, occasion: str) -> Floats:
        """Probability of a visit within the horizon, (shops,)."""
        return self._kept("anyway", (visits, zone, occasion), lambda: [anyway.rate(visits, shop, zone, occasion) for shop in self.shops])

    def busy(self, visits: Mapping[str, Busy], now_ms: int) -> Floats:
        """Visits of each shop at this hour, relative to those of the site, (shops,)."""
        site = visits.get(ALL, busy.NEVER)
        key = (visits, now_ms // busy.HOUR_MS)
        return self._kept("busy", key, lambda: [busy.relative(visits.get(shop, busy.NEVER), site, now_ms) for shop in self.shops])

    def placed(self, moments: Mapping[str, float]) -> Floats:
        """Share of all moments at which an offer may be sent, (placements,); 1 before any moment."""
        total = sum(moments.values())
        if not total:
            return np.ones(len(self._holds))
        shares: Floats = self._holds @ np.array([moments.get(place, 0.0) for place in self._places]) / total
        return shares

    def is_new(self, contacts: Iterable[Contact], positions: Positions) -> NDArray[np.bool_]:
        """Whether the person has had no contact with each offer, (n,)."""
        found = np.ones(len(self.ids), dtype=np.bool_)
        found[[self._position[contact.offer] for contact in contacts if contact.offer in self._position]] = False
        return found[positions]

    def effects(self, effects: Mapping[str, Effect], positions: Positions) -> tuple[Floats, Floats]:
        """Means and variances of a person's effects on n offers."""
        everything, by_category, by_offer = person.VARIANCES
        own = effects.get(ALL, Effect(0.0, everything))
        mean, variance = np.full(len(self.ids), own.mean), np.full(len(self.ids), own.variance + by_category + by_offer)
        for key, one in effects.items():
            where, before = (self._of_category[key], by_category) if key in self._of_category else (self._position.get(key), by_offer)
            if where is not None and key != ALL:
                mean[where] += one.mean
                variance[where] += one.variance - before
        return mean[positions], variance[positions]

    def levels(self, levels: Mapping[str, Level], positions: Positions) -> tuple[Floats, Floats]:
        """Mean and rows of a person's level for n offers, by category."""
        known = [levels.get(key.partition(":")[2]) or Level() for key in self._categories]
        codes = self.category[positions]
        return np.array([one.mean for one in known])[codes], np.array([one.rows for one in known])[codes]

    def _widely(self, models: Mapping[str, Weights], category: int) -> _Wide:
        of_category, everyone = models.get(self._categories[category], self._start[1]), models.get(ALL, self._start[2])
        held = self._wide[category]
        if held is None or held.category is not of_category or held.everyone is not everyone:
            means, variances = (
                np.frombuffer(first, "<f8") + np.frombuffer(second, "<f8")
                for first, second in ((of_category.means, everyone.means), (of_category.variances, everyone.variances))
            )
            held = self._wide[category] = _Wide(of_category, everyone, means, variances)
        return held

    def _kept(self, name: str, of: tuple[object, ...], made: Callable[[], list[float]]) -> Floats:
        """The column `name`, worked out again if what it comes from has been replaced."""
        held = self._of.get(name)
        if held is None or any(before is not now and not _equal_keys(before, now) for before, now in zip(held[0], of, strict=True)):
            held = self._of[name] = of, np.array(made(), dtype=np.float64)
        return held[1]


def _equal_keys(before: object, now: object) -> bool:
    return isinstance(now, str | int) and before == now


def _codes(names: Iterable[T]) -> tuple[list[T], NDArray[np.intp]]:
    """The different names, and the place of each one among them."""
    every = list(names)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(every))}
    return list(numbers), np.array([numbers[name] for name in every], dtype=np.intp)
