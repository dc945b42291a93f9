"""The evaluation as one HTML file for managers: a summary, then charts, then tables.

The file contains its styles and charts, has no script and loads nothing, which its content security policy enforces. It is
laid out for phones and for paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from models.evaluation.charts import calibration_chart, gains_chart, lift_chart
from models.evaluation.evaluation import Evaluation
from models.measures import Interval

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --ink: #1f2430; --paper: #fbfaf7; --card: #fff; --quiet: #5d636e; --line: #d9d6cd; }}
@media (prefers-color-scheme: dark) {{ :root {{ --ink: #ece9e1; --paper: #15181e; --card: #1e222b; --quiet: #a4a9b3; --line: #3a3f4a; }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }}
main {{ max-width: 68rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }}
h1 {{ font-size: 1.6rem; line-height: 1.2; margin: 0 0 .5rem; }}
h2 {{ font-size: 1.15rem; margin: 2.2rem 0 .4rem; }}
.lead {{ font-size: 1.1rem; }}
.quiet {{ color: var(--quiet); }}
.cards {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .8rem; }}
.cards {{ margin: 1.2rem 0; padding: 0; list-style: none; }}
.cards li {{ background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .8rem 1rem; }}
.cards b {{ display: block; font-size: 1.5rem; }}
.figures {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: .8rem; margin: .6rem 0; }}
figure {{ margin: 0; max-width: 34rem; background: #fff; border: 1px solid var(--line); border-radius: .6rem; padding: .6rem; }}
figure svg {{ display: block; width: 100%; height: auto; }}
figcaption {{ color: #5d636e; font-size: .9rem; padding: .3rem .2rem 0; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }}
th, td {{ text-align: right; padding: .35rem .6rem; border-bottom: 1px solid var(--line); white-space: nowrap; }}
th:first-child, td:first-child, td.text {{ text-align: left; }}
td.text {{ white-space: normal; min-width: 12rem; }}
</style>
</head>
<body><main>
"""


def page(evaluation: Evaluation) -> str:
    """The HTML file as text."""
    title = f"How good are the forecasts of {evaluation.name}?"
    parts = [
        _HEAD.format(title=escape(title)),
        f"<h1>{escape(title)}</h1>",
        *_summary(evaluation),
        "<h2>Lift: the best rows first</h2>",
        '<div class="figures">',
        _figure(lift_chart(evaluation), "Share of each tenth that took the offer. The line is the share of all."),
        _figure(gains_chart(evaluation), "Share of all takers that are found when only the best part is addressed."),
        "</div>",
        _tenths(evaluation),
        "<h2>Calibration: forecasts beside outcomes</h2>",
        _figure(
            calibration_chart(evaluation), "On the diagonal, a forecast of 30 % comes true 30 times in a hundred. Bars: 95 % intervals."
        ),
        *_fairness(evaluation),
        *_limits(evaluation),
        "</main></body></html>\n",
    ]
    return "\n".join(parts)


def _summary(evaluation: Evaluation) -> list[str]:
    first, fifth = evaluation.lift.deciles[0], evaluation.lift.deciles[4]
    figures = evaluation.figures
    lead = (
        f"Of a hundred people, {_of_100(evaluation.base_rate)} take the offer. Of a hundred people in the model's best tenth, "
        f"{_of_100(first.taken_share)} do: {first.lift:.1f} times as many. Addressing the better half finds "
        f"{fifth.capture_so_far:.0%} of all takers."
    )
    cards = (
        (f"x {first.lift:.2f}", "lift of the best tenth"),
        (_span(figures.auc), "AUC: a taker stands above a non-taker this often (½ is chance)"),
        (f"{figures.calibration_error:.3f}", "mean gap between forecast and what happened"),
        (f"{evaluation.accuracy:.1%}", f"accuracy; guessing the commoner outcome has {evaluation.majority_accuracy:.1%}"),
    )
    listed = "".join(f"<li><b>{escape(value)}</b>{escape(caption)}</li>" for value, caption in cards)
    measured = f"Measured on {evaluation.rows:,} rows of {evaluation.people:,} people. Average precision {figures.average_precision:.3f}, "
    return [
        f'<p class="lead">{escape(lead)}</p>',
        f'<ul class="cards">{listed}</ul>',
        f'<p class="quiet">{escape(measured)}Brier {figures.brier:.3f}, log-loss {figures.log_loss:.3f}.</p>',
    ]


def _tenths(evaluation: Evaluation) -> str:
    header = ("tenth", "forecast", "took it", "lift", "lift so far", "takers found")
    rows = [
        (
            str(one.number),
            f"{one.forecast_mean:.1%}",
            f"{one.taken_share:.1%}",
            f"{one.lift:.2f}",
            f"{one.lift_so_far:.2f}",
            f"{one.capture_so_far:.0%}",
        )
        for one in evaluation.lift.deciles
    ]
    return _table(header, rows)


def _fairness(evaluation: Evaluation) -> list[str]:
    if evaluation.fairness is None:
        return []
    header = ("segment", "rows", "took it", "forecast minus outcome", "AUC", "addressed", "remarks")
    rows = [
        (
            one.name,
            f"{one.rows:,}",
            f"{one.base_rate:.1%}",
            "—" if one.calibration_gap is None else _span(one.calibration_gap, "+.3f"),
            "—" if one.auc is None else _span(one.auc),
            f"{one.addressed:.1%}",
            "; ".join(one.remarks),
        )
        for one in evaluation.fairness.segments
    ]
    text = f"For each segment, when the best {evaluation.fairness.share:.0%} of all are addressed. Brackets are 95 % intervals over people."
    return ["<h2>Fairness: figures by segment</h2>", f"<p>{escape(text)}</p>", _table(header, rows)]


def _limits(evaluation: Evaluation) -> list[str]:
    lines = [
        "A forecast is the probability that an offer is taken, not the effect of making it: only a holdout measures the effect.",
        "The future may differ from the rows that were evaluated here.",
        *evaluation.remarks,
    ]
    return ["<h2>Limits</h2>", "<ul>", *(f"<li>{escape(line)}</li>" for line in lines), "</ul>"]


def _figure(svg: str, caption: str) -> str:
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """An HTML table; a last column with the header `remarks` holds text."""
    with_text = header[-1] == "remarks"
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = ""
    for row in rows:
        cells = [f'<td class="text">{escape(cell)}</td>' if with_text and cell is row[-1] else f"<td>{escape(cell)}</td>" for cell in row]
        body += f"<tr>{''.join(cells)}</tr>"
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _span(of: Interval, form: str = ".3f") -> str:
    return f"{of.value:{form}} ({of.low:{form}} … {of.high:{form}})"


def _of_100(share: float) -> str:
    return f"{100 * share:.0f}"
