"""Settings of the records that leave the gateway."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from gateway.adapters.personal_data import Scanner
from gateway.config_part import Part
from gateway.core import limits
from gateway.core.privacy.tables import Terms
from gateway.core.records import CONTACTS_MAX, MILLION


class PrivacyPart(Part):
    """Records that leave the gateway."""

    window_s: int = Field(3600, description="how long offers are counted before their number leaves, with noise; it divides a day")
    epsilon_day: float = Field(1.0, description="epsilon of all that leaves about one person's day; a smaller one means more noise")
    contacts_max: int = Field(4, description="contacts of one person and day that count in each table; more of them mean more noise")
    offers_by: Literal["zone", "site"] = Field(
        "zone", description="site: outcomes of an offer are counted for all its zones together, which suits a small site"
    )
    offers_every: Literal["day", "week"] = Field(
        "day", description="week: outcomes of offers leave once a calendar week with the noise of one day, which suits a small site"
    )
    perceived_control: bool = Field(
        default=False, description="true: the sum of the answers to the yearly question leaves each quarter, for a ninth of epsilon"
    )
    demonstration: bool = Field(
        default=False, description="true: short windows, and a service day of 24 windows; for simulated people only, shown on the dashboard"
    )

    phone_regions: tuple[str, ...] = Field(
        (), description="countries, such as DE, whose phone numbers are removed from text without country code too"
    )

    @field_validator("window_s")
    @classmethod
    def _window(cls, value: int) -> int:
        if not 1 <= value <= limits.WINDOW_S_MAX:
            raise ValueError(f"{value} s is no window; choose {limits.WINDOW_S_MIN} to {limits.WINDOW_S_MAX} s, such as 3600")
        return value

    @field_validator("phone_regions")
    @classmethod
    def _regions(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        Scanner(value)
        return value

    @field_validator("epsilon_day", mode="before")
    @classmethod
    def _epsilon(cls, value: object) -> object:
        if isinstance(value, int | float) and not limits.EPSILON_DAY_MIN <= value <= limits.EPSILON_DAY_MAX:
            lowest, highest = limits.EPSILON_DAY_MIN, limits.EPSILON_DAY_MAX
            raise ValueError(f"epsilon {value:g} gives no privacy or no figures; choose {lowest:g} to {highest:g}, such as 1.0")
        return value

    @field_validator("contacts_max")
    @classmethod
    def _contacts(cls, value: int) -> int:
        if not 1 <= value <= CONTACTS_MAX:
            raise ValueError(f"{value} contacts cannot be the bound of a person's day; choose 1 to {CONTACTS_MAX}, such as 4")
        return value

    @model_validator(mode="after")
    def _real_windows(self) -> PrivacyPart:
        if not self.demonstration and (self.window_s < limits.WINDOW_S_MIN or limits.WINDOW_S_MAX % self.window_s):
            raise ValueError(
                f"window_s {self.window_s} must be at least {limits.WINDOW_S_MIN} and divide a day of {limits.WINDOW_S_MAX} s, "
                "such as 3600; for simulated people, set demonstration = true"
            )
        return self

    def terms(self) -> Terms:
        """The terms of the core for these settings."""
        return Terms(
            round(self.epsilon_day * MILLION),
            self.contacts_max,
            self.window_s * 1000,
            self.demonstration,
            sums_zones=self.offers_by == "site",
            weekly=self.offers_every == "week",
            control=self.perceived_control,
        )
