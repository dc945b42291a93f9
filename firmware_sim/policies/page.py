"""The report as one HTML page without outside parts: a table, margins with intervals, and regret by day as plain SVG."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from firmware_sim.policies.figures import CEILING, REFERENCE, Figure, Row

# Okabe and Ito's palette (jfly.uni-koeln.de/color), for colour-blind readers.
COLOURS = ("#0072b2", "#e69f00", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#8a8f98", "#1f2430", "#b8a800")
INK, QUIET = "#1f2430", "#8a8f98"
WIDTH, HEIGHT, LEFT, BOTTOM, RIGHT = 760, 360, 90, 40, 110
LABEL_PX, STEPS_MIN = 12.0, 4
STYLE = f"""
body {{ font-family: sans-serif; color: {INK}; max-width: 84rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ text-align: right; padding: .3rem .4rem; border-bottom: 1px solid #ddd; white-space: nowrap; }}
th:first-child, td:first-child {{ text-align: left; }}
small {{ color: {QUIET}; }}
svg {{ width: 100%; min-width: 34rem; max-width: 52rem; height: auto; }}
.wide {{ overflow-x: auto; }}
"""


def page(title: str, setting: str, rows: Sequence[Row]) -> str:
    """The whole page; the same rows give the same text."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title>"
        f"<style>{STYLE}</style></head><body>\n"
        f"<h1>{html.escape(title)}</h1>\n<p>{html.escape(setting)}</p>\n"
        "<p>Amounts are minor units of money for each person. Intervals are 95 %, from seeds resampled in pairs. "
        f"Margin and accepted offers are true expectations. "
        f"Ratios are to <b>{REFERENCE}</b>; regret is the margin that <b>{CEILING}</b> has gathered more.</p>\n"
        f"{_table(rows)}\n<h2>Margin for each person</h2>\n<div class='wide'>{_margins(rows)}</div>\n"
        "<h2>By offer</h2>\n<p>Messages to each person x share accepted, their margin, and the share of messages without a chance "
        f"(a sleeping phone, a closed shop).</p>\n{_offers(rows)}\n"
        f"<h2>Regret by day</h2>\n<div class='wide'>{_regrets(rows)}</div>\n</body></html>\n"
    )


def _table(rows: Sequence[Row]) -> str:
    columns = [
        ("policy", [html.escape(row.policy) for row in rows]),
        ("margin", [_cell(row.margin_minor, 0) for row in rows]),
        ("accepted", [_cell(row.accepted, 1) for row in rows]),
        ("messages", [_cell(row.messages, 1) for row in rows]),
        ("margin ratio", [_cell(row.margin_ratio, 2) for row in rows]),
        ("message ratio", [_cell(row.message_ratio, 2) for row in rows]),
        ("error", [_cell(row.error, 3) for row in rows]),
        ("calibration", [_cell(row.calibration, 3) for row in rows]),
        ("Gini", [_cell(row.gini, 2) for row in rows]),
        ("coverage", [_cell(row.coverage, 2) for row in rows]),
        ("s/run", [f"{row.seconds:.1f}" for row in rows]),
    ]
    stated = [(head, cells) for head, cells in columns if any(cells)]
    body = "".join("<tr>" + "".join(f"<td>{cells[at]}</td>" for _, cells in stated) + "</tr>\n" for at in range(len(rows)))
    return '<div class="wide"><table><tr>' + "".join(f"<th>{head}</th>" for head, _ in stated) + f"</tr>\n{body}</table></div>"


def _offers(rows: Sequence[Row]) -> str:
    """A row for each offer, a column for each policy."""
    head = "".join(f"<th>{html.escape(row.policy)}</th>" for row in rows)
    body = "".join(
        f"<tr><td>{html.escape(same[0].offer)}</td>"
        + "".join(
            f"<td>{one.messages:.1f} x {one.accepted:.2f}: {one.margin_minor:.0f} <small>{one.wasted:.2f}</small></td>" for one in same
        )
        + "</tr>\n"
        for same in zip(*(row.offers for row in rows), strict=True)
    )
    return f'<div class="wide"><table><tr><th>offer</th>{head}</tr>\n{body}</table></div>'


def _cell(figure: Figure | None, digits: int) -> str:
    if figure is None:
        return ""
    return f"{figure.mean:.{digits}f} <small>{figure.low:.{digits}f} … {figure.high:.{digits}f}</small>"


def _margins(rows: Sequence[Row]) -> str:
    most = max((row.margin_minor.high for row in rows), default=1.0) or 1.0
    least = min(0.0, *(row.margin_minor.low for row in rows))
    height = 26 * len(rows) + BOTTOM

    def x(value: float) -> float:
        return LEFT + (value - least) / (most - least) * (WIDTH - LEFT - RIGHT)

    parts = [_axis_x(_steps(least, most), x, height - BOTTOM)]
    for place, row in enumerate(rows):
        y, colour, known = 18 + 26 * place, COLOURS[place % len(COLOURS)], row.margin_minor
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end" font-size="12" fill="{INK}">{html.escape(row.policy)}</text>')
        parts.append(f'<line x1="{x(known.low):.1f}" x2="{x(known.high):.1f}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<circle cx="{x(known.mean):.1f}" cy="{y}" r="4" fill="{colour}"/>')
    return _svg(height, parts)


def _regrets(rows: Sequence[Row]) -> str:
    curves = [(place, row) for place, row in enumerate(rows) if row.regret_days]
    if not curves:
        return f"<p>The policy {CEILING} was not run.</p>"
    days = len(curves[0][1].regret_days)
    most = max(point.high for _, row in curves for point in row.regret_days) or 1.0
    least = min(0.0, *(point.low for _, row in curves for point in row.regret_days))

    def x(day: float) -> float:
        return LEFT + day / days * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - least) / (most - least) * (HEIGHT - BOTTOM - 12)

    parts = [_axis_x(range(0, days + 1, max(1, -(-days // 6))), x, HEIGHT - BOTTOM)]
    parts += [
        f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end" font-size="11" fill="{QUIET}">{value:.0f}</text>'
        for value in _steps(least, most)
    ]
    ends = _apart([y(row.regret_days[-1].mean) for _, row in curves])
    for (place, row), end in zip(curves, ends, strict=True):
        colour = COLOURS[place % len(COLOURS)]
        band = [(x(0), y(0.0)), *((x(day + 1), y(point.high)) for day, point in enumerate(row.regret_days))]
        band += [(x(day + 1), y(point.low)) for day, point in reversed(list(enumerate(row.regret_days)))]
        middle = [(x(0), y(0.0)), *((x(day + 1), y(point.mean)) for day, point in enumerate(row.regret_days))]
        parts.append(f'<polygon points="{_points(band)}" fill="{colour}" fill-opacity="0.15"/>')
        parts.append(f'<polyline points="{_points(middle)}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
        x_end = middle[-1][0] + 6
        parts.append(f'<text x="{x_end:.1f}" y="{end + 4:.1f}" font-size="11" fill="{colour}">{html.escape(row.policy)}</text>')
    return _svg(HEIGHT, parts)


def _apart(heights: Sequence[float]) -> list[float]:
    """The heights in the same order, moved so far that labels at these do not overlap."""
    found, order = list(heights), sorted(range(len(heights)), key=heights.__getitem__)
    for above, at in pairwise(order):
        found[at] = max(found[at], found[above] + LABEL_PX)
    for place, at in enumerate(reversed(order)):
        found[at] = min(found[at], HEIGHT - BOTTOM - place * LABEL_PX)
    return found


def _steps(least: float, most: float) -> list[float]:
    """Four to ten round figures between two bounds."""
    size = 10.0 ** math.floor(math.log10(most - least))
    step = next(size * part for part in (1.0, 0.5, 0.2, 0.1) if (most - least) / (size * part) >= STEPS_MIN)
    return [step * at for at in range(math.ceil(least / step), math.floor(most / step) + 1)]


def _axis_x(ticks: Sequence[float], x: Callable[[float], float], y: float) -> str:
    marks = "".join(
        f'<text x="{x(tick):.1f}" y="{y + 18:.1f}" text-anchor="middle" font-size="11" fill="{QUIET}">{tick:.0f}</text>' for tick in ticks
    )
    return f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="{QUIET}"/>{marks}'


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _svg(height: int, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">{"".join(parts)}</svg>'
