"""The campaign as the results need it: terms of each offer, the planned share of people held out, and the offers that are published."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, select

from dashboard.results.money import Terms
from dashboard.schema import bundles, desired
from dashboard.studio import versions
from dashboard.studio.check import Checked, check
from dashboard.studio.publisher import Publisher, known_zones
from gateway.core.offers import Campaign

VERSIONS_MAX = 20  # that are searched for an offer which the newest one has no longer


class Known(NamedTuple):
    """Terms by offer, newest first; the range of the share held out (None without a campaign); offers that gateways are to run."""

    newest: Checked
    terms: Mapping[str, Terms]
    holdout: tuple[float, float] | None
    published: Collection[str]


def known(connection: Connection, publisher: Publisher | None, offers: Collection[str], now_ms: int) -> Known:
    """The campaign of a desk, with the terms of `offers`, in older versions too."""
    if publisher is None:
        return Known(Checked(None, ()), {}, None, ())
    saved = versions.all_versions(connection, VERSIONS_MAX)
    newest = check(saved[0].text, publisher.base.schema, known_zones(connection) or None, now_ms)
    terms = dict(_terms(newest.campaign))
    for one in saved[1:]:
        if set(offers) <= set(terms):
            break
        terms = dict(_terms(check(one.text, publisher.base.schema, None, now_ms).campaign)) | terms
    wanted = select(bundles.c.campaign).join(desired, desired.c.sha256 == bundles.c.sha256).distinct()
    running = [versions.version(connection, number).text for number in connection.execute(wanted).scalars()]
    published = [str(offer["id"]) for text in running for offer in tomllib.loads(text)["offers"]]
    shares = [share for one in saved if (share := _holdout(one.text)) is not None]
    return Known(newest, terms, (min(shares), max(shares)) if shares else None, published)


def _terms(campaign: Campaign | None) -> Iterator[tuple[str, Terms]]:
    for offer in campaign.offers if campaign else ():
        contact = campaign.policy.contact_cost_minor if campaign else 0.0
        money = (float(offer.value_minor), offer.usual_minor, float(offer.cost_minor), contact)
        yield offer.id, Terms(offer.title, *money, offer.budget_minor, offer.starts_ms, offer.ends_ms)


def _holdout(text: str) -> float | None:
    """The share held out by a text of a campaign; None if it is no valid one."""
    try:
        return float(tomllib.loads(text).get("policy", {}).get("holdout", 0.05))
    except (tomllib.TOMLDecodeError, AttributeError, TypeError, ValueError):
        return None
