"""The figures as one HTML page without outside parts: tables, and pictures as plain SVG."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from gateway.commands.results.figures import TOTAL, Later
from gateway.commands.results.text import is_total, parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gateway.commands.results.figures import Results
    from gateway.commands.results.text import Part
    from gateway.core.measure.rates import Interval

# Okabe and Ito's palette (jfly.uni-koeln.de/color), for colour-blind readers.
OURS, OTHER, ALERT, QUIET, INK = "#0072b2", "#e69f00", "#d55e00", "#8a8f98", "#1f2430"
WIDTH, LEFT, RIGHT, LINE = 480, 150, 55, 24
HOURS = 24
REASONS_DRAWN_MAX = 10
STYLE = f"""
:root {{ color-scheme: light; }}
body {{ font: 16px/1.5 system-ui, sans-serif; color: {INK}; background: #fbfaf7; }}
body {{ max-width: 72rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }}
h1 {{ font-size: 1.6rem; margin: 0 0 .5rem; }} h2 {{ font-size: 1.15rem; margin: 2.2rem 0 .4rem; }}
.wide {{ overflow-x: auto; }} .alarm {{ border-left: .3rem solid {ALERT}; padding-left: .8rem; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ text-align: right; padding: .3rem .6rem; border-bottom: 1px solid #d9d6cd; white-space: nowrap; }}
th:first-child, td:first-child, th:last-child, td:last-child {{ text-align: left; white-space: normal; min-width: 7rem; }}
tr.total {{ font-weight: 600; }}
figure {{ margin: .6rem 0; background: #fff; border: 1px solid #d9d6cd; border-radius: .6rem; padding: .6rem; max-width: 34rem; }}
figure svg {{ display: block; width: 100%; height: auto; }} figcaption {{ color: #5d636e; font-size: .9rem; }}
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(title: str, found: Results) -> str:
    """The whole page; the same figures give the same text."""
    pictures = {
        "Funnel": lambda: _funnel(found),
        "What the offers add": lambda: _lift(found),
        "Tenths of the propensity": lambda: _deciles(found),
        "Why nothing was offered": lambda: _silence(found),
    }
    body = "".join(_part(part, pictures.get(part.title)) for part in parts(found))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>\n<h1>{escape(title)}</h1>\n{body}</body></html>\n"
    )


def _part(part: Part, picture: Callable[[], str] | None) -> str:
    lines = "".join(f"<p{' class=alarm' if line.startswith('ALARM') else ''}>{escape(line)}</p>" for line in part.line.splitlines() if line)
    drawn = picture() if picture and part.rows else ""
    return f"<h2>{escape(part.title)}</h2>\n{lines}\n{drawn}{_table(part)}\n"


def _table(part: Part) -> str:
    if not part.rows:
        return ""
    head = "".join(f"<th>{escape(name)}</th>" for name in part.columns)
    body = "".join(
        f"<tr{' class=total' if is_total(row) else ''}>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>\n"
        for row in part.rows
    )
    return f'<div class="wide"><table><tr>{head}</tr>\n{body}</table></div>'


def _funnel(found: Results) -> str:
    total = next(one for one in found.funnel if one.offer == TOTAL)
    counts = {name: getattr(total, name) for name in ("intended", "sent", "shown", "opened", "accepted", "redeemed")}
    most = max(counts.values()) or 1
    bars = [
        _label(place, name) + _bar(place, 0, count / most, OURS) + _end(place, count / most, f"{count:,}")
        for place, (name, count) in enumerate(counts.items())
    ]
    return _figure(bars, len(counts), "All offers, step by step.")


def _lift(found: Results) -> str:
    if isinstance(found.visits, Later):
        return ""
    shares = {"sent": (found.visits.treated.interval, OURS), "held out": (found.visits.control.interval, OTHER)}
    most = max(one.high for one, _ in shares.values()) or 1.0
    marks = [_label(place, name) + _span(place, one, most, colour) for place, (name, (one, colour)) in enumerate(shares.items())]
    return _figure(marks, len(shares), "Share of the intended offers whose shop the person visited within the window, with 95 % intervals.")


def _deciles(found: Results) -> str:
    taken = [(one, one.taken) for one in found.deciles if one.taken is not None]
    most = max((max(one.forecast, share.high) for one, share in taken), default=1.0) or 1.0
    marks = []
    for place, (one, share) in enumerate(taken):
        forecast = LEFT + one.forecast / most * (WIDTH - LEFT - RIGHT)
        y = LINE * place + LINE / 2
        cross = f'<path d="M{forecast:.1f} {y - 6}v12M{forecast - 6:.1f} {y}h12" stroke="{OTHER}" stroke-width="2"/>'
        marks.append(_label(place, f"tenth {one.number}") + _span(place, share, most, OURS) + cross)
    return _figure(marks, len(taken), "Share accepted of the sent offers, with 95 % intervals; the cross is the mean propensity.")


def _silence(found: Results) -> str:
    """Decisions without an offer by reason and local hour; the darker, the more."""
    counts: dict[str, list[int]] = {}
    for one in found.silence:
        counts.setdefault(one.reason, [0] * HOURS)[one.hour] += one.count
    shown = sorted(counts.items(), key=lambda item: (-sum(item[1]), item[0]))[:REASONS_DRAWN_MAX]
    most = max(max(hours) for _, hours in shown)
    width = (WIDTH - LEFT - RIGHT) / HOURS
    marks = [
        _label(place, reason)
        + "".join(
            f'<rect x="{LEFT + hour * width:.1f}" y="{LINE * place + 2}" width="{width - 1:.1f}" height="{LINE - 4}" '
            f'fill="{OURS}" fill-opacity="{count / most:.2f}"><title>{hour} h: {count:,}</title></rect>'
            for hour, count in enumerate(hours)
        )
        for place, (reason, hours) in enumerate(shown)
    ]
    ticks = "".join(
        f'<text x="{LEFT + hour * width:.1f}" y="{LINE * len(shown) + 14}" font-size="11" fill="{QUIET}">{hour} h</text>'
        for hour in range(0, HOURS, 6)
    )
    return _figure([*marks, ticks], len(shown) + 1, "Decisions without an offer by reason and local hour; the darker, the more.")


def _label(place: int, text: str) -> str:
    return f'<text x="{LEFT - 8}" y="{LINE * place + 17}" text-anchor="end" font-size="13" fill="{INK}">{escape(text)}</text>'


def _bar(place: int, start: float, share: float, colour: str) -> str:
    width = share * (WIDTH - LEFT - RIGHT)
    return f'<rect x="{LEFT + start:.1f}" y="{LINE * place + 3}" width="{width:.1f}" height="{LINE - 6}" fill="{colour}"/>'


def _end(place: int, share: float, text: str) -> str:
    return f'<text x="{LEFT + share * (WIDTH - LEFT - RIGHT) + 6:.1f}" y="{LINE * place + 17}" font-size="12" fill="{QUIET}">{text}</text>'


def _span(place: int, of: Interval, most: float, colour: str) -> str:
    low, middle, high = (LEFT + max(0.0, value) / most * (WIDTH - LEFT - RIGHT) for value in (of.low, of.value, of.high))
    y = LINE * place + LINE / 2
    line = f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2"/>'
    text = f'<text x="{WIDTH - RIGHT + 6}" y="{y + 5}" font-size="12" fill="{QUIET}">{of.value:.1%}</text>'
    return f'{line}<circle cx="{middle:.1f}" cy="{y}" r="4.5" fill="{colour}"/>{text}'


def _figure(marks: Sequence[str] | Iterator[str], lines: int, caption: str) -> str:
    height = LINE * lines + 4
    svg = f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(caption)}">{"".join(marks)}</svg>'
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>\n"
