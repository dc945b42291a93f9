"""`wayside-models ahp | vikor | segments`: a CSV table in; a table, a CSV file and a chart out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer

from models.groups import GroupsFile, SchemaFile, read_schema_file, save_groups
from models.history.fact_log import log_of
from models.history.options import HistorySource, open_source, show_row_counts
from models.history.person_values import person_values
from models.history.reading import RowCounts
from models.planning import ahp, charts, holidays, research, segments, vikor
from models.planning.behaviour import behaviour_table
from models.planning.judgements import Judgements, read_judgements
from models.planning.options import AsJson, Csv, Picture, Seed
from models.planning.sheets import PlanningError, Sheet, read_sheet, write_sheet
from models.screen import print_json, say, show


def weigh_criteria(
    matrices: Annotated[
        list[Path],
        typer.Argument(
            help="One CSV file of pairwise comparisons per judge, criteria in the same order; only the upper triangle is read. "
            "A cell holds a number (3, 1/3), words (strongly more important, moderately less important), or a triangular number (2 3 4)."
        ),
    ],
    *,
    out: Csv = None,
    picture: Picture = None,
    as_json: AsJson = False,
) -> None:
    """Weights of criteria from pairwise comparisons (AHP), and the consistency ratio of each judge.

    Phrases and triangular numbers also give Buckley's fuzzy weights; the single fuzzy weight is the centroid, scaled to sum to 1.
    Exit code 1 if the matrix of the group is inconsistent; do not use its weights then.
    """
    judgements = _read_matrices(matrices)
    group = ahp.group_weights([ahp.comparison_matrix(judge) for judge in judgements], judgements[0].middle.rows)
    weights, columns = group.group, _weight_columns(group)
    header, rows = ("criterion", *columns), list(zip(weights.criteria, *columns.values(), strict=True))
    if out is not None:
        write_sheet(out, header, rows)
    if picture is not None:
        charts.draw_weights(weights, picture)
    if as_json:
        print_json(group)
    else:
        show("Weights" if len(judgements) == 1 else f"Weights of {len(judgements)} judges", header, rows)
        for path, judge in zip(matrices, group.judges, strict=True):
            say(f"{path.name}: {_verdict(judge)}")
        if len(judgements) > 1:
            say(f"group: {_verdict(weights)}")
    if not weights.is_consistent:
        raise typer.Exit(1)


def rank_alternatives(
    table: Annotated[
        Path,
        typer.Argument(help="CSV file: alternatives in rows, named in the first column; criteria in columns.", exists=True, dir_okay=False),
    ],
    *,
    weight: Annotated[list[str] | None, typer.Option(help="criterion=weight, once per criterion; default: entropy weights.")] = None,
    cost: Annotated[list[str] | None, typer.Option(help="Criterion to minimise; repeatable.")] = None,
    out: Csv = None,
    picture: Picture = None,
    as_json: AsJson = False,
) -> None:
    """Rank alternatives by several criteria (VIKOR): the compromise set for several weights of group utility against regret."""
    sheet = read_sheet(table)
    notes = [] if weight else [vikor.ENTROPY_WARNING]
    weights = _weights(weight, sheet.columns) if weight else list(vikor.entropy_weights(sheet.cells, sheet.columns).weights)
    ranking = vikor.rank(sheet, weights, costs=cost or ())
    rows = [
        (name, s, r, *(compromise.q[place] for compromise in ranking.sweep))
        for place, (name, s, r) in enumerate(zip(ranking.alternatives, ranking.s, ranking.r, strict=True))
    ]
    header = ("alternative", "S", "R", *(f"Q at v={compromise.v:g}" for compromise in ranking.sweep))
    if out is not None:
        write_sheet(out, header, rows)
    if picture is not None:
        charts.draw_compromises(ranking, picture)
    if as_json:
        print_json({"ranking": ranking, "warnings": notes})
        return
    show("Criteria", ("criterion", "weight"), list(zip(ranking.criteria, ranking.weights, strict=True)))
    show("Proposed, best first", ("v", "alternatives"), [(one.v, ", ".join(one.proposed)) for one in ranking.sweep])
    for note in notes:
        say(f"warning: {note}")


class SegmentsReport(NamedTuple):
    """Report of `segments`. `ignored` are columns without behaviour, `left_out` counts subjects with an empty cell.

    `clusters` is 0 without cluster structure; `clusters_skipped` is the reason if no clusters were fitted.
    """

    counts: dict[str, int]
    ignored: tuple[str, ...]
    clusters: int
    stability: float
    left_out: int
    clusters_skipped: str


def find_segments(
    table: Annotated[
        Path | None,
        typer.Argument(
            help=f"CSV file: subjects in rows, named in the first column; columns among {', '.join(segments.BEHAVIOUR)}.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    *,
    history: Annotated[
        Path | None, typer.Option(help="Folder written by `wayside history export`, instead of a table.", exists=True, file_okay=False)
    ] = None,
    seed: Seed = 0,
    out: Csv = None,
    picture: Picture = None,
    groups: GroupsFile = None,
    schema: SchemaFile = None,
    attributes: Annotated[
        str, typer.Option(help="With --groups: define clusters in these attributes, comma-separated, instead of the four segments.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Assign each subject to one of four behavioural segments, and test whether the table itself has clusters.

    With --groups, --history and --schema, segments are defined for gateways: the four segments from attributes of the schema that are
    named as the columns of behaviour, or clusters in --attributes.
    """
    if groups is not None:
        _define(groups, schema, history, attributes, seed)
    sheet, counted = _read_behaviour(table, history)
    assigned = segments.assign_segments(sheet)
    report = _segments_report(sheet, assigned, seed)
    if out is not None:
        rows = [
            (subject, segment or "", *row)
            for subject, segment, row in zip(assigned.subjects, assigned.segments, assigned.scores.tolist(), strict=True)
        ]
        write_sheet(out, ("subject", "segment", *segments.SEGMENTS), rows)
    if picture is not None:
        charts.draw_segments(assigned, picture)
    if as_json:
        print_json({"tables": counted, **report._asdict()})
        return
    show_row_counts(counted)
    _show_segments(report)


def _define(groups: Path, schema: Path | None, folder: Path | None, attributes: str, seed: int) -> None:
    """Write the definition of segments for gateways, from the values that a gateway would have."""
    if folder is None:
        raise typer.BadParameter("--groups needs --history: the values must be those of a gateway")
    declared = read_schema_file(schema)
    named = tuple(name.strip() for name in attributes.split(",") if name.strip())
    behaviour = tuple(one.name for one in declared.attributes if one.name in segments.BEHAVIOUR and one.history is not None)
    if not named and not behaviour:
        raise PlanningError(f"the schema has no attribute of behaviour ({', '.join(segments.BEHAVIOUR)}): give --attributes")
    with open_source(HistorySource(folder)) as opened:
        values = person_values(opened, declared, named or behaviour, log=log_of(folder))
    defined = segments.cluster_definition(values, seed) if named else segments.behavioural_definition(values)
    save_groups(groups, [defined])
    say(f"{groups}: segmentation {defined.name!r} with {', '.join(f'{of.name} ({of.people:,})' for of in defined.segments)}")


def _read_behaviour(table: Path | None, history: Path | None) -> tuple[Sheet, Sequence[RowCounts]]:
    if table is not None and history is None:
        return read_sheet(table, blanks=True), ()
    if history is not None and table is None:
        return behaviour_table(history)
    raise typer.BadParameter("give either a table or --history")


def _segments_report(sheet: Sheet, assigned: segments.Segmentation, seed: int) -> SegmentsReport:
    """Clusters are fitted to behaviour columns and complete subjects only; a table that does not allow it is reported, not an error."""
    place = [number for number, name in enumerate(sheet.columns) if name in segments.BEHAVIOUR]
    ignored = tuple(name for name in sheet.columns if name not in segments.BEHAVIOUR)
    known = sheet.cells[:, place]
    whole = known[~np.isnan(known).any(axis=1)]
    left_out = len(known) - len(whole)
    try:
        clusters = segments.fit_clusters(whole, seed)
    except PlanningError as reason:
        return SegmentsReport(assigned.counts(), ignored, 0, 0.0, left_out, str(reason))
    return SegmentsReport(
        assigned.counts(), ignored, clusters.components if clusters.has_structure else 0, clusters.stability, left_out, ""
    )


def _show_segments(report: SegmentsReport) -> None:
    rows = [(name, report.counts[name], ", ".join(way.tags), way.treatment) for name, way in segments.STRATEGIES.items()]
    show(
        "Segments by behaviour",
        ("segment", "subjects", "offers tagged", "treatment"),
        [*rows, ("unknown", report.counts["unknown"], "", "")],
    )
    if report.ignored:
        say(f"columns ignored, not behaviour: {', '.join(report.ignored)}")
    if report.left_out:
        say(f"{report.left_out:,} subjects with an empty cell are left out of the search for clusters")
    if report.clusters_skipped:
        say(f"no clusters fitted: {report.clusters_skipped}")
    elif report.clusters:
        say(f"{report.clusters} clusters, found again in bootstrap samples with agreement {report.stability:.2f}")
    else:
        say("no cluster structure: a grouping of this table would not be found again in new data")


def register(app: typer.Typer) -> None:
    """Add the commands of this package to `app`."""
    for name, command, example in (
        ("ahp", weigh_criteria, "ahp judge-1.csv judge-2.csv --picture weights.svg"),
        ("vikor", rank_alternatives, "vikor alternatives.csv --cost price --picture compromise.svg"),
        ("segments", find_segments, "segments behaviour.csv --out segments.csv"),
        ("holidays", holidays.list_holidays, "holidays DE --region BE --from 2026 --to 2028"),
    ):
        app.command(name, epilog=f"Example: [b]wayside-models {example}[/b]")(command)
    research.register(app)


def _read_matrices(paths: Sequence[Path]) -> list[Judgements]:
    judgements = [read_judgements(path) for path in paths]
    for path, judge in zip(paths, judgements, strict=True):
        if judge.middle.rows != judgements[0].middle.rows:
            raise PlanningError(f"{path} does not compare the criteria of {paths[0]} in the same order")
    return judgements


def _weight_columns(group: ahp.GroupWeights) -> dict[str, tuple[float, ...]]:
    """Weights by name of the column; fuzzy ones only if a judgement is vague."""
    weights, fuzzy = group.group, group.fuzzy
    crisp = {"eigenvector": weights.eigenvector, "row geometric mean": weights.row_geometric_mean, "column mean": weights.column_mean}
    if fuzzy.is_crisp:
        return crisp
    return {**crisp, "fuzzy": fuzzy.weights, "fuzzy low": fuzzy.low, "fuzzy middle": fuzzy.middle, "fuzzy high": fuzzy.high}


def _verdict(weighing: ahp.MatrixWeights) -> str:
    if weighing.is_consistent:
        return f"consistent (CR {weighing.consistency_ratio:.3f})"
    text = f"NOT consistent (CR {weighing.consistency_ratio:.3f}, should be below {ahp.CONSISTENT_BELOW:g})"
    worst = weighing.worst
    if worst is None:
        return text
    return (
        f"{text}; ask again about {worst.first} against {worst.third}: stated {worst.stated:.2g}, by way of {worst.second} "
        f"{worst.implied:.2g}"
    )


def _weights(texts: list[str], criteria: tuple[str, ...]) -> list[float]:
    stated: dict[str, float] = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            stated[name] = float(number)
        except ValueError:
            raise PlanningError(f"--weight {text!r} is not criterion=number") from None
    if missing := [name for name in criteria if name not in stated]:
        raise PlanningError(f"criterion {missing[0]!r} has no --weight")
    if unknown := sorted(set(stated) - set(criteria)):
        raise PlanningError(f"no criterion is called {unknown[0]!r}; there are {', '.join(criteria)}")
    return [stated[name] for name in criteria]
