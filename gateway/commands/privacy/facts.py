"""The releases of a gateway by config and bundle: numbers of the privacy sheet, and its entry for the registry of deployments."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.core.privacy.laplace import variance
from gateway.core.privacy.release import catalogue
from gateway.core.privacy.tables import DAY_MS, WINDOWS_OF_DEMONSTRATION
from gateway.core.records import COUNT_MAX, EPOCHS_MAX, MILLION, OUTCOMES, VISITOR_ZONES_MAX

if TYPE_CHECKING:
    from gateway.core.privacy.tables import TableName, Terms
    from gateway.core.site import Site

Z = 1.96  # of a normal distribution, for 95 of 100 cases
GATEWAYS_SHOWN = (1, 2, 3, 5, 10)
DAYS_SHOWN = (1, 7, 30)
CANDIDATES = 10
ATTACKS: dict[str, str] = {
    "difference": "tests/core/test_privacy_attacks.py",
    "bystander": "tests/core/test_privacy_attacks.py",
    "declined": "tests/core/test_privacy_attacks.py",
    "linking": "tests/core/test_privacy_attacks.py",
    "audit": "tests/core/test_privacy_audit.py",
    "rollback": "tests/adapters/test_release.py",
    "clock": "tests/adapters/test_release.py",
    "canaries": "tests/runtime/test_exits.py",
    "text": "tests/adapters/test_personal_data.py",
}
"""Attack -> the test that runs it; titles are in `texts`."""


class Facts(msgspec.Struct, frozen=True):
    """Epsilon of one person and service day in all, and of each table of offers; `error` is half of the 95 % interval of one count.

    `control_epsilon` and `control_error` are those of perceived control, and `visitors_…` those of devices of no consenting person; 0 if
    they do not leave.
    """

    gateway: str
    time_zone: str
    epsilon: float
    table_epsilon: float
    contacts_max: int
    scale: float
    error: int
    window: str
    demonstration: bool
    zones: int
    offers: int
    hour_counts: int
    offer_counts: int
    sums_zones: bool
    weekly: bool
    control_epsilon: float
    control_error: int
    visitors_epsilon: float
    visitors_error: int
    visits_days: int
    decisions_days: int
    facts_days: int
    withdrawals_days: int
    cloud: str

    @property
    def fleet(self) -> list[tuple[int, float]]:
        """Number of gateways that see a person on one day, and the epsilon of all of them."""
        return [(number, number * self.epsilon) for number in GATEWAYS_SHOWN]

    @property
    def days(self) -> list[tuple[int, float, float]]:
        """Number of days, epsilon of all of them, and the most likely that one of ten known people can be named by all that leaves."""
        totals = [(number, number * self.epsilon) for number in DAYS_SHOWN]
        return [(number, total, 1 / (1 + (CANDIDATES - 1) * math.exp(-total))) for number, total in totals]


def facts(site: Site, cloud: str) -> Facts:
    """The facts of a site; `cloud` is the address that records go to, empty without one."""
    terms, cells, kept = site.privacy, catalogue(site), site.retention
    pairs = len(cells.offers) if terms.sums_zones else sum(map(len, cells.offers.values()))
    windows = WINDOWS_OF_DEMONSTRATION if terms.demonstration else math.ceil(DAY_MS / terms.window_ms)
    return Facts(
        gateway=site.gateway,
        time_zone=site.timezone.key,
        epsilon=terms.epsilon_millionths / MILLION,
        table_epsilon=terms.share_millionths("offers") / MILLION,
        contacts_max=terms.contacts_max,
        scale=float(terms.scale("offers")),
        error=_error(terms, "offers"),
        window=f"{terms.window_ms // 60_000} min" if terms.window_ms >= 60_000 else f"{terms.window_ms / 1_000:g} s",
        demonstration=terms.demonstration,
        zones=len(cells.zones),
        offers=len(cells.offers),
        hour_counts=len(cells.zones) * windows,
        offer_counts=pairs * len(OUTCOMES),
        sums_zones=terms.sums_zones,
        weekly=terms.weekly,
        control_epsilon=terms.share_millionths("control") / MILLION if terms.control else 0.0,
        control_error=_error(terms, "control") if terms.control else 0,
        visitors_epsilon=terms.share_millionths("visitors") / MILLION if terms.visitors else 0.0,
        visitors_error=_error(terms, "visitors") if terms.visitors else 0,
        visits_days=kept.visits_days,
        decisions_days=kept.decisions_days,
        facts_days=kept.facts_days,
        withdrawals_days=kept.withdrawals_days,
        cloud=cloud,
    )


def _error(terms: Terms, table: TableName) -> int:
    return math.ceil(Z * math.sqrt(variance(terms.scale(table))))


def registry(found: Facts) -> dict[str, Any]:
    """The entry for the OpenDP registry of deployments, tier 3; the operator fills in the fields that are None."""
    others = _other_tables(found)
    return {
        "status": "Draft",
        "tier": 3,
        "deployment": {
            "product": _product(found, others),
            "dp_flavor": _flavor(found),
            "privacy_loss": _loss(found, others),
            "model": _model(found),
            "accounting": {
                "post_processing": "None on the gateway; the dashboard sums counts, hides figures within the noise, and cuts negatives.",
                "composition": "Basic composition over the tables of a day, enforced by a ledger in the database's schema.",
            },
            "implementation": {
                "pre_processing_eda_hyperparameter_tuning": "First contacts of a person and day, by a keyed hash of day and device.",
                "mechanisms": f"Discrete Laplace of scale {found.scale:g}, exact in integers (Canonne, Kamath, Steinke 2020), from the "
                f"operating system's random bits; counts are bounded by {COUNT_MAX:,}.",
                "justification": "See the figures of error and of the audit in gateway/core/privacy/README.md.",
            },
            "resources": {"sources": "https://arxiv.org/abs/2004.00010", "registry_authors": None},
        },
    }


def _other_tables(found: Facts) -> str:
    texts = (
        f" Perceived control, each quarter: the number of answers and their sum, {found.control_epsilon:g} of epsilon."
        if found.control_epsilon
        else ""
    )
    if found.visitors_epsilon:
        texts += (
            f" Devices of no consenting person, by zone and day, each in at most {VISITOR_ZONES_MAX} zones under each of "
            f"{EPOCHS_MAX} keys of a day: {found.visitors_epsilon:g} of epsilon."
        )
    return texts


def _product(found: Facts, others: str) -> dict[str, Any]:
    offers_of = f"{'offer' if found.sums_zones else 'zone, offer'} and outcome, each {'calendar week' if found.weekly else 'day'}"
    return {
        "name": f"Contacts with offers, gateway {found.gateway}",
        "data_curators": None,
        "intended_use": "Offers sent by zone and hour; outcomes of offers, against the holdout; perceived control of people.",
        "data_product_type": "Summary statistics",
        "data_product_region": None,
        "description": f"Noised counts: {found.hour_counts} a day by zone and window, {found.offer_counts} by {offers_of}.{others}",
        "publication_date": None,
        "data_product_sector": "Retail",
    }


def _flavor(found: Facts) -> dict[str, Any]:
    return {
        "name": "Pure DP",
        "input_metric": "Contacts of one person and service day added or removed",
        "bound_on_input_distance": 1,
        "output_measure": "Max divergence",
        "bound_on_output_distance": found.epsilon,
        "data_domain": "Contacts of people with consent to measurement: zone, offer, final outcome, service day",
        "unprotected_quantities": "Zones and offers (the public catalogue), the number of records that wait, the version of the model, and "
        "that the gateway runs; to a desk also its release, connection, end of certificates, settings and stopped "
        "offers, and the whole days without a message of sources of sensors. Epsilon, bound and tables were chosen on simulated people.",
    }


def _loss(found: Facts, others: str) -> dict[str, Any]:
    unit = (
        f"One person with consent to measurement, for one service day: a calendar day in {found.time_zone}. At most {found.contacts_max} "
        "contacts of a person and day count in each table. Neighbouring inputs differ by all contacts of one person on one day."
    )
    return {
        "privacy_unit": "Person-day-level",
        "privacy_unit_description": unit,
        "privacy_parameters": {"epsilon": found.epsilon},
        "privacy_parameters_description": f"{found.table_epsilon:g} for each of two tables of offers.{others} A person seen by G "
        f"gateways on one day has G x {found.epsilon:g}, and over D days D times that.",
    }


def _model(found: Facts) -> dict[str, Any]:
    return {
        "model_name": "Central",
        "model_name_description": "Noise is added on the gateway at the site; exact counts do not leave it.",
        "actors": "The person; the gateway's operator, trusted with the exact counts; the cloud and its readers, not trusted.",
        "release_type": "Many releases",
        "release_type_description": f"One release for each window of {found.window}, and one for each "
        f"{'calendar week' if found.weekly else 'service day'}; each at most once.",
        "data_source_type": "Dynamic",
        "access_type": "Non-interactive",
    }
