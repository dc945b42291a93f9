"""Groceries: the number of association rules beside that of arules, the package of the table.

Support 0.001, one item on the right, at most ten items. A wrong rounding of a support count changes the number by hundreds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.benchmarks.benchmark import Benchmark, Line, Spec, Step, exact
from models.history.derived import Baskets
from models.patterns.itemsets import frequent_itemsets
from models.patterns.rules import prune, rules_of
from models.tables import groceries
from models.tables.groceries import read_baskets

SUPPORT = 0.001
_RULES = {0.8: 410.0, 0.6: 2_918.0, 0.5: 5_668.0}
_MILK, _MILK_BASKETS = "whole milk", 2_513.0


def benchmark(table: groceries.Baskets, step: Step) -> Benchmark:
    """The numbers of rules at three confidences, and of baskets with milk. Raises PatternError if there is no basket."""
    sets = frequent_itemsets(baskets_of(table.baskets), SUPPORT)
    step("groceries: frequent sets")
    rules = {confidence: rules_of(sets, confidence) for confidence in _RULES}
    step("groceries: rules")
    published = "arules"
    lines = [
        Line(
            figure=f"rules at confidence {confidence}",
            ours=exact(len(rules[confidence])),
            published=count,
            published_by=published,
            target=count,
            within=0.0,
        )
        for confidence, count in _RULES.items()
    ]
    milk = exact(sum(_MILK in basket for basket in table.baskets))
    figure = f"baskets with {_MILK}"
    lines.append(Line(figure=figure, ours=milk, published=_MILK_BASKETS, published_by=published, target=_MILK_BASKETS, within=0.0))
    every, kept = len(rules[0.5]), len(prune(rules[0.5]).kept)
    pruned = f"of the {every:,} rules at confidence 0.5, {kept:,} are left after pruning by lift, leverage, chance and improvement"
    return Benchmark(
        name="groceries",
        title="Groceries: association rules",
        protocol=f"every rule with one item on the right, support {SUPPORT}",
        unit="basket",
        base_rate=None,
        lines=tuple(lines),
        notes=(pruned,),
        counts=table.counts,
    )


def baskets_of(baskets: tuple[frozenset[str], ...]) -> Baskets:
    """Baskets as pairs of basket and item numbers, the input of the itemset miner."""
    items = tuple(sorted(frozenset().union(*baskets)))
    number = {item: index for index, item in enumerate(items)}
    rows = np.repeat(np.arange(len(baskets)), [len(basket) for basket in baskets])
    columns = np.array([number[item] for basket in baskets for item in sorted(basket)], dtype=np.int64)
    return Baskets(rows.astype(np.int64), columns, items, len(baskets))


def _run(folder: Path, seed: int, step: Step, aside: bool) -> Benchmark:  # noqa: ARG001, FBT001 (counting draws nothing)
    return benchmark(read_baskets(folder / "groceries_baskets.txt.gz"), step)


SPEC = Spec(folder="groceries", steps=2, run=_run)
