"""The closed set of records that may leave a gateway, shared with the dashboard.

Only `gateway.core.privacy.release` constructs them (a house test checks it). Counts of people's doings are noised, and each table has a
fixed shape, so neither a value nor a missing record depends on one person beyond the stated epsilon. There is no free text, no
coordinate, no time finer than the window, and no id of a person or of a person's device.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from gateway.core.ids import Id, RecordId

COUNT_MAX = 1_000_000  # public bound of a noised count, in both directions
ZONES_MAX = 1_000  # of one record
CONTACTS_MAX = 16  # bound of [privacy] contacts_max
MILLION = 1_000_000
HOUR_MS = 3_600_000
DAY_MS_MAX = 25 * HOUR_MS  # the day on which summer time ends
WEEK_MS_MAX = 169 * HOUR_MS  # with that day
QUARTER_MS_MAX = (92 * 24 + 1) * HOUR_MS
CONTROL_CHANGE_MAX = 7  # of one person's answers: one to their number, and at most 6 to their sum
EPSILON_MILLIONTHS_MIN, EPSILON_MILLIONTHS_MAX = 1_000, 5 * MILLION  # of one table: a ninth of 0.01, to half of 10
VARIANCE_MAX = 1e8  # of the largest scale, 7 at an epsilon of 0.001: 2 x 7,000 x 7,000

OutcomeCell = Literal["held_out", "held_out_came", "ignored", "dismissed", "came", "accepted", "accepted_came", "redeemed"]
"""Final outcome of one contact, known when its window closes.

`held_out` people were sent nothing; `came` means that the person dwelled in the offer's shop. `came` alone is a visit without an
acceptance, after a refusal too; `ignored` and `dismissed` are without a visit.
"""
OUTCOMES: tuple[OutcomeCell, ...] = get_args(OutcomeCell)

NoisedCount = Annotated[int, Meta(ge=-COUNT_MAX, le=COUNT_MAX)]
Zones = Annotated[tuple[Id, ...], Meta(min_length=1, max_length=ZONES_MAX)]


class Noise(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Noise of each count of a table: discrete Laplace with scale `contacts_max` x 1,000,000 / `epsilon_millionths`, and its variance.

    `epsilon_millionths` is the table's share of the day, in millionths, and holds for all records of the table in one service day.
    `contacts_max` is the most by which one person's day changes the counts of the table, added up. Each count lies between -`count_max`
    and `count_max`, so that vectors of several gateways can be added up modulo a number that is known in advance.
    """

    epsilon_millionths: Annotated[int, Meta(ge=EPSILON_MILLIONTHS_MIN, le=EPSILON_MILLIONTHS_MAX)]
    contacts_max: Annotated[int, Meta(ge=1, le=CONTACTS_MAX)]
    variance: Annotated[float, Meta(gt=0, le=VARIANCE_MAX)]
    count_max: Annotated[int, Meta(ge=1, le=COUNT_MAX)] = COUNT_MAX


class _Counts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fields of all tables. The period begins at a multiple of its length after local midnight; `counts` always has the same length."""

    id: RecordId
    gateway: Id
    window_start_ms: Annotated[int, Meta(ge=0)]
    noise: Noise


class HourCounts(_Counts, frozen=True, tag="hours", tag_field="type"):
    """Offers sent within one window, one count for each of `zones`."""

    window_ms: Annotated[int, Meta(gt=0, le=DAY_MS_MAX)]
    zones: Zones
    counts: Annotated[tuple[NoisedCount, ...], Meta(min_length=1, max_length=ZONES_MAX)]


class OfferCounts(_Counts, frozen=True, tag="offers", tag_field="type"):
    """Contacts with one offer whose windows closed within one service day or week: for each of `zones`, one count for each of OUTCOMES.

    With `sums_zones` there is one count for each of OUTCOMES, of all `zones` together.
    """

    window_ms: Annotated[int, Meta(gt=0, le=WEEK_MS_MAX)]
    zones: Zones
    offer: Id
    counts: Annotated[tuple[NoisedCount, ...], Meta(min_length=len(OUTCOMES), max_length=ZONES_MAX * len(OUTCOMES))]
    sums_zones: bool = False


class ControlCounts(_Counts, frozen=True, tag="control", tag_field="type"):
    """Answers to the two statements of perceived control within one quarter: the number of people, and the sum of their distances from 4.

    A person's distance is that of both answers of 1 to 7 together: -6 to 6. The mean of all answers is 4 + sum / (2 x number).
    """

    window_ms: Annotated[int, Meta(gt=0, le=QUARTER_MS_MAX)]
    counts: tuple[NoisedCount, NoisedCount]


class GatewayHealth(msgspec.Struct, frozen=True, tag="health", tag_field="type", forbid_unknown_fields=True):
    """State of a gateway at the end of a window: `backlog` is the number of records waiting to leave.

    Nothing here depends on people. `demonstration` is true if the gateway counts in windows that are too short for real people.
    """

    id: RecordId
    gateway: Id
    window_start_ms: Annotated[int, Meta(ge=0)]
    window_ms: Annotated[int, Meta(gt=0, le=DAY_MS_MAX)]
    backlog: Annotated[int, Meta(ge=0, le=2**40)]
    demonstration: bool


Record = HourCounts | OfferCounts | ControlCounts | GatewayHealth


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of one POST to `{cloud}/v1/batches`, as gzip JSON; the bytes are the same at every retry of a `batch`."""

    batch: RecordId
    gateway: Id
    records: tuple[Record, ...]


class Receipt(msgspec.Struct, frozen=True):
    """Body of the 2xx response: ids of the records of the batch that the cloud has stored, at this try or an earlier one."""

    batch: str
    taken: tuple[str, ...]
