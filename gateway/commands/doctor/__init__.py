"""`wayside doctor`: finds out why no offer arrives, from the config to the phone, and names the cause first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from gateway.commands.doctor.diagnose import diagnose
from gateway.commands.doctor.evidence import gather
from gateway.commands.doctor.screen import lines
from gateway.commands.options import CONFIG_FILE, JsonOption, SetOption, command_app
from gateway.commands.running import funnel

if TYPE_CHECKING:
    from gateway.commands.doctor.finding import Evidence, Finding

from pathlib import Path

LISTEN_S = 3.0
command = command_app()


@command.command()
def doctor(
    config: Annotated[Path, typer.Option("--config", help="the gateway's TOML file")] = CONFIG_FILE,
    override: SetOption = None,
    seconds: Annotated[float, typer.Option(min=0.0, help="seconds to listen at the broker, if the gateway hears nothing")] = LISTEN_S,
    *,
    as_json: JsonOption = False,
) -> None:
    """Find the cause if no offer arrives: config, clock, disk, certificates, broker, and each step from message to offer.

    Exit code 0: offers flow, or a rule of the campaign holds offers back; 1: there is a fault, and the first one named is the cause.

    Example: `wayside doctor --config wayside.toml`
    """
    evidence = gather(config, override or [], seconds)
    findings = diagnose(evidence)
    if as_json:
        typer.echo(msgspec.json.encode(_as_json(evidence, findings)))
    else:
        for line in lines(evidence, findings):
            typer.echo(line)
    raise typer.Exit(int(any(one.level == "fault" for one in findings)))


def _as_json(evidence: Evidence, findings: list[Finding]) -> dict[str, object]:
    report = evidence.report
    return {
        "v": 1,
        "at_ms": evidence.now_ms,
        "verdict": findings[0].level if findings and findings[0].level != "warning" else "flowing",
        "findings": findings,
        "funnel": {step.name: step.number for step in funnel(report)} if report is not None else None,
        "certificates": [one._asdict() for one in evidence.certificates],
        "free_bytes": evidence.free_bytes,
        "store_bytes": evidence.store_bytes,
        "report": report,
    }
