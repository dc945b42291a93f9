"""Baselines of a comparison, from silence to Thompson sampling.

A policy sees only the offers that the gateway's gates leave open. `shipped` is the gateway's own `decide`.
"""

from __future__ import annotations

from collections import Counter

from firmware_sim.policies.run import Choice, Closed, Situation
from gateway.core.policy.choose import decide
from gateway.core.policy.decision import Decision


class Silence:
    """Never sends a message."""

    name = "silence"

    def choose(self, here: Situation) -> Choice | None:  # noqa: ARG002 (as the other policies)
        """Silence."""
        return None

    def learn(self, closed: Closed) -> None:
        """Learn nothing."""


class Random(Silence):
    """A random open offer at every moment."""

    name = "random"

    def choose(self, here: Situation) -> Choice | None:
        """A random open offer."""
        return Choice(here.draws("random").choice(here.open)) if here.open else None


class Rules(Silence):
    """The open offer with the highest margin, as in a campaign without a model."""

    name = "rules"

    def choose(self, here: Situation) -> Choice | None:
        """The open offer with the highest margin."""
        return Choice(max(here.open, key=lambda position: here.offers[position].value_minor)) if here.open else None


class Popular:
    """The open offer that most people have accepted so far; its propensity is that share, and one half before any answer."""

    name = "popular"

    def __init__(self) -> None:
        self.taken: Counter[int] = Counter()
        self.closed: Counter[int] = Counter()

    def share(self, position: int) -> float:
        """Share of accepted messages, smoothed by one acceptance and one refusal."""
        return (self.taken[position] + 1) / (self.closed[position] + 2)

    def choose(self, here: Situation) -> Choice | None:
        """The most popular open offer."""
        best = max(here.open, key=self.share, default=None)
        return None if best is None else Choice(best, self.share(best))

    def learn(self, closed: Closed) -> None:
        """Count the outcome."""
        self.closed[closed.choice.position] += 1
        self.taken[closed.choice.position] += closed.taken


class Propensity(Silence):
    """The open offer with the model's highest propensity, above the campaign's minimum."""

    name = "propensity"

    def choose(self, here: Situation) -> Choice | None:
        """The offer with the highest propensity."""
        if not here.open:
            return None
        propensity, position = max(zip(here.scores, here.open, strict=True))
        least = here.shop.site.campaign.policy.propensity_min
        return Choice(position, propensity) if propensity >= least else None


class Shipped(Silence):
    """The gateway's `decide` with the bundle's model: propensity times value, less the cost of a contact."""

    name = "shipped"

    def choose(self, here: Situation) -> Choice | None:
        """The offer of the gateway's decision."""
        made = decide(here.request, here.weather, here.shop.model, f"gw-lab.{here.number}")
        self.seen(made)
        if made.offer is None:
            return None
        position = next(at for at, offer in enumerate(here.offers) if offer.id == made.offer)
        return Choice(position, made.candidates[0].propensity)

    def seen(self, made: Decision) -> None:
        """Called with each decision; a counting policy overrides it."""


class Thompson(Popular):
    """Propensity times value, where the share of acceptances of each offer is drawn from its posterior.

    The model's propensity enters relative to its mean over the messages of the offer, so that the answers correct its level.
    """

    name = "thompson"

    def __init__(self) -> None:
        super().__init__()
        self.scores: Counter[int] = Counter()

    def choose(self, here: Situation) -> Choice | None:
        """The offer with the highest drawn value."""
        draws, best = here.draws("thompson") if here.open else None, (0.0, 0, 0.0)
        for position, score in zip(here.open, here.scores if here.open else (), strict=True):
            assert draws is not None
            closed, taken = self.closed[position], self.taken[position]
            mean = (self.scores[position] + score) / (closed + 1)
            drawn = draws.betavariate(taken + 1, closed - taken + 1) * score / mean
            value = min(drawn, 1.0) * here.offers[position].value_minor - here.shop.site.campaign.policy.contact_cost_minor
            best = max(best, (value, position, min(self.share(position) * score / mean, 1.0)))
        return Choice(best[1], best[2], here.scores[here.open.index(best[1])]) if best[0] > 0.0 else None

    def learn(self, closed: Closed) -> None:
        """Count the outcome and the model's score."""
        super().learn(closed)
        self.scores[closed.choice.position] += closed.choice.known
