"""`wayside-models survey | criteria | coding | fit-check | sample-size`: questionnaires, interviews, printed figures."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from models.measures import Interval
from models.planning import charts, coding, criteria, fit_indices, pls, survey
from models.planning.options import AsJson, Csv, Picture, Seed
from models.planning.sheets import PlanningError, Sheet, column_names, read_items, write_sheet
from models.screen import interval_text, print_json, progressing, say, show

Ratings = Annotated[Path, typer.Argument(help="CSV file: respondents in rows, criteria in columns.", exists=True, dir_okay=False)]


def examine_survey(
    table: Annotated[
        Path,
        typer.Argument(
            help="CSV file: respondents in rows, items (questions) in columns; columns of no scale are ignored.",
            exists=True,
            dir_okay=False,
        ),
    ],
    *,
    scale: Annotated[list[str], typer.Option(help="Scale and its items, as name=item,item,…; repeatable.")],
    path: Annotated[
        list[str] | None, typer.Option(help="target=source,source of a path model (PLS-SEM): a scale and its predictors; repeatable.")
    ] = None,
    scheme: Annotated[pls.Scheme, typer.Option(help="Inner weights of the path model.")] = "path",
    draws: Annotated[int, typer.Option(help="Bootstrap samples of the path model.", min=pls.DRAWS_MIN)] = pls.DRAWS,
    seed: Seed = 0,
    out: Csv = None,
    picture: Picture = None,
    as_json: AsJson = False,
) -> None:
    """Reliability and validity of survey scales: Cronbach's alpha, AVE, composite reliability, Fornell-Larcker, factor analysis.

    With --path also a path model by partial least squares: bootstrapped paths, R², Q² on held-out respondents, HTMT.
    """
    scales = dict(_named_list(text, "--scale", "name=item,item") for text in scale)
    predictors = dict(_named_list(text, "--path", "target=source,source") for text in path or ())
    model = pls.path_model(scales, predictors) if predictors else None
    sheet, ignored = read_items(table, [item for items in scales.values() for item in items])
    report = survey.analyse(sheet, scales, seed)
    paths = None if model is None else _path_report(sheet, model, scheme, draws, seed)
    factors = report.factors
    pattern = [(item, *row) for item, row in zip(factors.items, factors.loadings, strict=True)]
    header = ("item", *(f"factor {number + 1}" for number in range(factors.count)))
    if out is not None:
        write_sheet(out, header, pattern)
    if picture is not None:
        charts.draw_survey(report, paths, picture)
    if as_json:
        print_json({**msgspec.structs.asdict(report), "ignored": ignored, "path_model": paths})
        return
    rows = [(s.name, s.alpha, f"{s.alpha_low:.3f} … {s.alpha_high:.3f}", s.ave, s.composite_reliability) for s in report.scales]
    show(f"{report.respondents} respondents", ("scale", "alpha", "95 %", "AVE", "CR"), rows)
    show("Pattern loadings (promax)", header, pattern)
    for first, second in report.not_discriminant:
        say(f"{first} and {second} are not distinct (Fornell-Larcker criterion)")
    if paths is not None:
        _show_paths(paths)
    if ignored:
        say(f"columns in no scale, ignored: {', '.join(ignored)}")
    for note in (*report.warnings, *(paths.warnings if paths else ())):
        say(f"warning: {note}")


def examine_criteria(
    table: Ratings,
    *,
    scale: Annotated[str, typer.Option(help="Lowest and highest rating, such as 1:5; the mean is tested against the middle.")],
    ignore: Annotated[list[str] | None, typer.Option(help="Column to ignore, such as a respondent's number; repeatable.")] = None,
    out: Csv = None,
    picture: Picture = None,
    as_json: AsJson = False,
) -> None:
    """One-sample t-test of each criterion against the middle of its scale, corrected by Holm's method for the number of criteria.

    The published study of real-time marketing that prescribes this test prints no table of means, t or p, so its verdicts cannot be
    recomputed; here each verdict comes with mean, interval, t, corrected p and effect size.
    """
    low, high = _range(scale)
    sheet, _ = read_items(table, _criteria_names(column_names(table), ignore or ()))
    tested = criteria.check_criteria(sheet, low, high)
    header = ("criterion", "ratings", "mean", "low", "high", "deviation", "t", "df", "p", "p (Holm)", "effect (d)", "verdict")
    rows = [
        (c.name, c.answers, c.mean.value, c.mean.low, c.mean.high, c.deviation, c.t, c.degrees, c.p, c.p_holm, c.effect, c.verdict)
        for c in tested
    ]
    if out is not None:
        write_sheet(out, header, rows)
    if picture is not None:
        charts.draw_criteria(tested, low, high, picture)
    if as_json:
        print_json({"criteria": tested, "middle": (low + high) / 2})
        return
    show(f"Means against {(low + high) / 2:g}, two-sided, family-wise error {criteria.LEVEL:g}", header, rows)


def analyse_interviews(
    table: Annotated[
        Path,
        typer.Argument(
            help=f"CSV file with the columns {', '.join(coding.COLUMNS)}: a row per code of a segment, or one with an empty code.",
            exists=True,
            dir_okay=False,
        ),
    ],
    *,
    coders: Annotated[str | None, typer.Option(help="first,second: the two coders to compare, if there are more.")] = None,
    run: Annotated[int, typer.Option(help="Interviews in a row without a new code that count as saturation.", min=1)] = 3,
    seed: Seed = 0,
    out: Csv = None,
    picture: Picture = None,
    as_json: AsJson = False,
) -> None:
    """Coded interviews: frequency of codes, saturation, and agreement of two coders (Cohen's kappa) per code and over all."""
    pair = None if coders is None else _pair(coders)
    report = coding.analyse_coding(coding.read_coded(table), coders=pair, run=run, seed=seed)
    kappas = {one.code: one.kappa for one in report.agreement.codes} if report.agreement else {}
    header = ("code", "segments", "interviews", "share of interviews", *(("kappa", "95 %") if kappas else ()))
    rows = [(f.code, f.segments, f.interviews, f.share, *(_kappa_cells(kappas.get(f.code)) if kappas else ())) for f in report.frequencies]
    if out is not None:
        write_sheet(out, header, rows)
    if picture is not None:
        charts.draw_coding(report, picture)
    if as_json:
        print_json(report)
        return
    show(f"{report.rows} rows, {report.segments} segments, coders {', '.join(report.coders)}", header, rows)
    _show_saturation(report.saturation)
    _show_agreement(report.agreement)
    if report.repeated:
        say(f"{report.repeated} rows occur twice and count once")
    for note in report.warnings:
        say(f"warning: {note}")


def check_fit(
    *,
    cfi: Annotated[str | None, typer.Option(help="Comparative fit index, as printed.")] = None,
    nnfi: Annotated[str | None, typer.Option(help="Non-normed fit index (Tucker-Lewis), as printed.")] = None,
    ifi: Annotated[str | None, typer.Option(help="Incremental fit index, as printed.")] = None,
    nfi: Annotated[str | None, typer.Option(help="Normed fit index, as printed.")] = None,
    rfi: Annotated[str | None, typer.Option(help="Relative fit index, as printed.")] = None,
    gfi: Annotated[str | None, typer.Option(help="Goodness-of-fit index, as printed.")] = None,
    agfi: Annotated[str | None, typer.Option(help="Adjusted goodness-of-fit index, as printed.")] = None,
    rmsea: Annotated[str | None, typer.Option(help="Root mean square error of approximation, as printed.")] = None,
    chi2_per_df: Annotated[str | None, typer.Option("--chi2-per-df", help="Chi-square over degrees of freedom, as printed.")] = None,
    respondents: Annotated[int | None, typer.Option(help="Sample size, for RMSEA.")] = None,
    same: Annotated[list[str] | None, typer.Option(help="name=value,value: a figure that is printed more than once; repeatable.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check whether printed fit indices of one structural equation model are mutually consistent.

    Enter each figure with its printed decimals: .95 stands for any value from .945 to .955. Exit code 1 if a relation cannot hold.
    """
    given = {
        "cfi": cfi,
        "nnfi": nnfi,
        "ifi": ifi,
        "nfi": nfi,
        "rfi": rfi,
        "gfi": gfi,
        "agfi": agfi,
        "rmsea": rmsea,
        "chi2_per_df": chi2_per_df,
    }
    repeated = dict(_named_list(text, "--same", "name=value,value") for text in same or ())
    checks = fit_indices.check_indices({name: text for name, text in given.items() if text is not None}, respondents, repeated)
    if as_json:
        print_json({"checks": checks, "possible": all(check.possible for check in checks)})
    else:
        rows = [(check.relation, check.printed, "possible" if check.possible else "IMPOSSIBLE") for check in checks]
        show("Printed figures", ("relation", "printed", "verdict"), rows)
    if not all(check.possible for check in checks):
        raise typer.Exit(1)


def needed_respondents(
    error: Annotated[float, typer.Argument(help="Margin of error: half the width of the 95 % confidence interval, such as 0.05.")],
    population: Annotated[
        int | None, typer.Option(min=1, help="Population size, for the finite population correction; default: infinite.")
    ] = None,
) -> None:
    """Number of respondents needed to estimate a proportion with a given margin of error (95 %)."""
    typer.echo(survey.sample_size(error, population))


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    for name, command, example in (
        ("survey", examine_survey, "survey answers.csv --scale trust=t1,t2,t3 --scale use=u1,u2,u3 --path use=trust"),
        ("criteria", examine_criteria, "criteria ratings.csv --scale 1:5 --ignore respondent"),
        ("coding", analyse_interviews, "coding segments.csv --run 3 --picture coding.svg"),
        ("fit-check", check_fit, "fit-check --cfi .95 --nnfi .96 --rmsea .03 --chi2-per-df 1.34 --respondents 384"),
        ("sample-size", needed_respondents, "sample-size 0.05 --population 2000"),
    ):
        app.command(name, epilog=f"Example: [b]wayside-models {example}[/b]")(command)


def _criteria_names(columns: Sequence[str], ignored: Collection[str]) -> list[str]:
    if unknown := [name for name in ignored if name not in columns]:
        raise PlanningError(f"--ignore: there is no column {unknown[0]!r}; there are {', '.join(columns[:12])}")
    if not (names := [name for name in columns if name not in ignored]):
        raise PlanningError("--ignore leaves no criterion to test")
    return names


def _path_report(sheet: Sheet, model: pls.Model, scheme: pls.Scheme, draws: int, seed: int) -> pls.PathReport:
    answers = survey.complete_answers(sheet)[:, [sheet.columns.index(item) for item in model.items]]
    with progressing("bootstrap samples", draws) as step:
        return pls.analyse_paths(answers, model, scheme=scheme, draws=draws, seed=seed, step=lambda: step("bootstrap samples"))


def _show_paths(report: pls.PathReport) -> None:
    rows = [(f"{p.source} -> {p.target}", interval_text(p.path, 3), p.t, interval_text(p.consistent, 3), p.verdict) for p in report.paths]
    title = f"Paths (PLS, scheme {report.scheme}, {report.draws - report.draws_skipped} bootstrap samples)"
    show(title, ("path", "coefficient (95 %)", "t", "corrected for error (95 %)", "verdict"), rows)
    scales = [
        (c.name, c.ave, c.composite_reliability, c.rho_a, *(_blank(value) for value in (c.r2, c.redundancy, c.q2)), c.verdict)
        for c in report.constructs
    ]
    show("Scales of the path model", ("scale", "AVE", "CR", "rho_A", "R²", "redundancy", "Q²", "verdict"), scales)
    say("AVE and CR of the path model are of composite loadings, which are larger than the factor loadings above")
    pairs = [(f"{p.first}, {p.second}", p.correlation, interval_text(p.htmt, 3), p.verdict) for p in report.pairs]
    show("Discriminant validity", ("scales", "correlation", "HTMT (95 %)", "verdict"), pairs)


def _show_saturation(curve: coding.Saturation) -> None:
    rows = list(zip(curve.interviews, curve.new, curve.total, curve.expected, strict=True))
    show("Saturation", ("interview", "new codes", "codes so far", "expected over all orders"), rows)
    if curve.reached_after is None:
        say(f"not saturated: no point after which {curve.run} interviews add no code")
        return
    late = f"; later interviews add {curve.late_codes} codes" if curve.late_codes else ""
    say(f"saturated after {curve.reached_after} interviews: the next {curve.run} add no code{late}")


def _show_agreement(agreement: coding.Agreement | None) -> None:
    if agreement is None:
        say("one coder only: no agreement can be computed")
        return
    say(
        f"{agreement.coders[0]} and {agreement.coders[1]}, {agreement.segments} segments of {agreement.interviews} interviews: "
        f"pooled kappa {interval_text(agreement.pooled, 3)}, 95 % over {agreement.unit}: {agreement.verdict}"
    )


def _kappa_cells(kappa: Interval | None) -> tuple[str | float, str]:
    """Blank for a code of another coder, "not defined" for one that all segments or none have."""
    if kappa is None or math.isnan(kappa.value):
        return ("" if kappa is None else "not defined"), ""
    return kappa.value, f"{kappa.low:.3f} … {kappa.high:.3f}"


def _blank(value: float | None) -> str | float:
    return "" if value is None else value


def _named_list(text: str, option: str, form: str) -> tuple[str, tuple[str, ...]]:
    name, equals, items = text.partition("=")
    if not equals or not name.strip():
        raise PlanningError(f"{option} {text!r} is not {form}")
    return name.strip(), tuple(item.strip() for item in items.split(",") if item.strip())


def _range(text: str) -> tuple[float, float]:
    low, colon, high = text.partition(":")
    try:
        return float(low), float(high if colon else "")
    except ValueError:
        raise PlanningError(f"--scale {text!r} is not lowest:highest, such as 1:5") from None


def _pair(text: str) -> tuple[str, str]:
    names = [name.strip() for name in text.split(",")]
    if len(names) != 2 or not all(names):
        raise PlanningError(f"--coders {text!r} is not first,second")
    return names[0], names[1]
