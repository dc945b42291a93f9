"""Entry point of `wayside-models`: the list of commands alone; `models.cli`, with the libraries behind it, is imported when one is used."""

from __future__ import annotations

import sys

import typer

COMMANDS: dict[str, str] = {
    "judge": "Evaluate predicted probabilities: lift, cumulative gains, AUC, calibration and fairness, with an HTML report.",
    "ahp": "Weights of criteria from pairwise comparisons (AHP), and the consistency ratio of each judge.",
    "vikor": "Rank alternatives by several criteria (VIKOR): the compromise set for several weights of group utility against regret.",
    "segments": "Assign each subject to one of four behavioural segments, and test whether the table itself has clusters.",
    "holidays": "Print the public holidays of a country, for `holidays` in a gateway's config.",
    "survey": "Reliability and validity of survey scales: Cronbach's alpha, AVE, composite reliability, Fornell-Larcker, factor analysis.",
    "criteria": (
        "One-sample t-test of each criterion against the middle of its scale, corrected by Holm's method for the number of criteria."
    ),
    "coding": "Coded interviews: frequency of codes, saturation, and agreement of two coders (Cohen's kappa) per code and over all.",
    "fit-check": "Check whether printed fit indices of one structural equation model are mutually consistent.",
    "sample-size": "Number of respondents needed to estimate a proportion with a given margin of error (95 %).",
    "rules": "Mine association rules with one item as consequent, prune redundant ones, and keep those with a positive expected value.",
    "journeys": "Mine frequent sequences of visits; those that recur in several time windows and on held-out later days are journeys.",
    "value": "Customer lifetime value of each subject with its 90 % interval, by BG/NBD or MBG/NBD and gamma-gamma.",
    "speed": "Measure each estimator as ONNX on one thread: time of 1 and 64 rows, size, largest difference to the native model.",
    "items": "Compare item-based collaborative filtering with popularity, by later purchases. Exit code 1 (HistoryError) without baskets.",
    "sure-thing": "Probability to buy by each of some columns alone, so that gateways withhold discounts from people likely to buy anyway.",
    "priors": "Write priors for naive Bayes on the gateway: bin edges and counts for each offer, without any row of the history.",
    "waves": "Plan the waves of a campaign: subjects by decreasing propensity, with a control group (holdout) of exact size in each wave.",
    "boards": "Run the public benchmarks and print the results beside published ones and those of gradient boosting with default settings.",
    "ope": "Estimate what a new bundle's policy would have earned in the decisions of a gateway's log, or refuse with the reasons.",
    "keygen": "Write a new Ed25519 key pair. Exit code 1 (MakeError) if one of the two files exists.",
    "train": "Cross-validate all estimators by person, fit the best to all rows and write it as ONNX.",
    "evaluate": "Cross-validate all estimators by person, or evaluate one trained model.",
    "bundle": "Make, verify and show signed bundles.",
    "history": "Check and summarise a history of visits, proposals, answers and purchases.",
    "uplift": "Uplift: the effect of a treatment on each customer, from a randomised trial.",
}
"""Command or group -> summary, as in `models.cli`."""
HELP = "Train and evaluate models, mine patterns, plan campaigns, and sign bundles for gateways."


def main() -> None:
    """Print the list of commands, or run one of `models.cli`."""
    if sys.argv[1:] in ([], ["--help"]):
        listing()()
        return
    from models.cli import main as run  # noqa: PLC0415 - takes seconds

    run()


def listing() -> typer.Typer:
    """A command line with the summaries of all commands."""
    app = typer.Typer(name="wayside-models", help=HELP, no_args_is_help=True, add_completion=False, rich_markup_mode="rich")
    for name, summary in COMMANDS.items():
        app.command(name, help=summary)(lambda: None)
    return app
