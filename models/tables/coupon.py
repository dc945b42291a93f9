"""In-vehicle coupons: a schema of attributes for the table, and the columns of a model.

UCI "In-Vehicle Coupon Recommendation" (Wang et al. 2017): each respondent answered about twenty imagined situations. The schema has only
attributes that a gateway can know: place, time, weather, the coupon, the way to it, and visits to such places. Gender, age, income and
similar columns may not influence an offer. `[[columns]]` of the schema file map the table's columns and texts.
"""

from __future__ import annotations

from pathlib import Path

from gateway.adapters.toml_files import load_schema
from models.inputs import Inputs

SCHEMA = Path(__file__).with_name("coupon_schema.toml")
TARGET = "Y"
RESPONDENT = "respondent"
PERSONAL = (
    *("gender", "age", "maritalStatus", "education", "occupation", "income", "car"),
    *("Bar", "CoffeeHouse", "CarryAway", "RestaurantLessThan20", "Restaurant20To50"),
)
"""Columns that identify the rows of one respondent in the original file, which has no column RESPONDENT."""

_KINDS = ("coffee_house", "restaurant_cheap", "restaurant_dear", "carry_away", "bar")

INPUTS = Inputs(
    load_schema(SCHEMA),
    (
        *("hour", "travel", "expiry", "temperature", "weather_sunny", "weather_rainy", "weather_snowy"),
        *("heading_nowhere_urgent", "heading_home", "heading_work"),
        *(f"offer_{category}" for category in _KINDS),
        *(f"visits_{category}" for category in _KINDS),
        *("visits_this_kind", "noise", "air", "crowd", "context_age"),
    ),
)
"""The schema and the columns of a model. The table states neither noise, air nor crowd."""
