"""`wayside …`: what an operator types. Each command is thin: it finds the room that does the work and prints the answer.

Exit codes: 0 fine, 1 found faults, 2 wrong use. An error is one line on stderr that names the cause and the way out.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.app import App
    from gateway.calibrating import Mark
    from gateway.config import Config

T = TypeVar("T")

app = typer.Typer(name="wayside", help="The Wayside gateway.", no_args_is_help=True, add_completion=False, rich_markup_mode="markdown")
errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)

ConfigOption = Annotated[Path, typer.Option("--config", help="the gateway's TOML file")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="override one setting, such as mqtt.port=1884")]
JsonOption = Annotated[bool, typer.Option("--json", help="for machines: JSON instead of words")]


def main() -> None:
    """Entry point."""
    app()


def fail(message: str, code: int = 1) -> NoReturn:
    """Say what is wrong in one line and leave."""
    errors.print(f"wayside: {message}")
    raise typer.Exit(code)


@app.command()
def run(config: ConfigOption, override: SetOption = None, *, as_json: JsonOption = False) -> None:
    """Run the gateway in the foreground until SIGINT or SIGTERM.

    Example: `wayside run --config wayside.toml`
    """
    from gateway.running import serve  # noqa: PLC0415 - onnxruntime takes 100 ms to import

    settings = _load(config, override)
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    gateway = _build(settings)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: gateway.stop())
    trouble = serve(gateway, settings, as_json=as_json)
    if trouble:
        fail(trouble)


@app.command()
def check(
    config: Annotated[Path | None, typer.Option("--config", help="a gateway's TOML file")] = None,
    campaign: Annotated[Path | None, typer.Option("--campaign", help="a campaign's JSON file")] = None,
    override: SetOption = None,
) -> None:
    """Validate a config or a campaign without starting anything.

    Example: `wayside check --config wayside.toml`
    """
    if config is None and campaign is None:
        fail("nothing to check: name a file with --config or --campaign", 2)
    if config is not None:
        from gateway.running import checked  # noqa: PLC0415 - see run

        settings = _load(config, override)
        facts = _guarded(lambda: checked(settings))
        typer.echo(f"{config}: fine. {facts}")
    if campaign is not None:
        from gateway.adapters.bundle import parse_campaign  # noqa: PLC0415 - numpy and cryptography only where needed

        offers = _guarded(lambda: parse_campaign(campaign.read_bytes())).offers
        typer.echo(f"{campaign}: fine. {len(offers)} offers")


@app.command()
def decode() -> None:
    """Decode captured messages: JSON lines in, one JSON line out for each.

    A line is `{"topic", "payload" or "payload_hex", "received_at_ms"?, "decoder"?}`; without `decoder` the topic decides. Out comes
    `{"decoder", "observations"}` or `{"error": {"reason", "detail"}}`.

    Example: `echo '{"topic": "espresense/rooms/hall/status", "payload": "online"}' | wayside decode`
    """
    from gateway.decoding import decode_line  # noqa: PLC0415 - the decoders load only here

    for line in sys.stdin.buffer:
        if line.strip():
            sys.stdout.buffer.write(decode_line(line) + b"\n")
    sys.stdout.buffer.flush()


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="JSON lines with topic, payload or payload_hex, and at_ms for the pace")],
    broker: Annotated[str, typer.Option(help="mqtt://host:port")],
    speed: Annotated[float, typer.Option(min=0.0, help="times faster than recorded; 0 is as fast as the broker takes them")] = 1.0,
    *,
    as_json: JsonOption = False,
) -> None:
    """Publish captured messages to a broker, each with QoS 1, and wait until the broker has them all.

    Example: `wayside replay street.jsonl --broker mqtt://127.0.0.1:1883 --speed 10`
    """
    from gateway.broker import BrokerError  # noqa: PLC0415 - paho loads only here
    from gateway.replaying import ReplayError, replay_file  # noqa: PLC0415 - as above

    try:
        summary = replay_file(file, broker, speed, show=not as_json)
    except (ReplayError, BrokerError) as error:
        fail(str(error))
    typer.echo(json.dumps(summary) if as_json else f"published {summary['published']}, skipped {summary['skipped']}")


@app.command()
def discover(
    broker: Annotated[str, typer.Option(help="mqtt://host:port")],
    seconds: Annotated[float, typer.Option(min=0.25, help="how long to listen")] = 30.0,
) -> None:
    """Listen to a broker for a while and print a config that would hear what is there.

    Example: `wayside discover --broker mqtt://127.0.0.1:1883 --seconds 60 > sources.toml`
    """
    from gateway.broker import BrokerError  # noqa: PLC0415 - paho loads only here
    from gateway.discovering import discover as listen  # noqa: PLC0415 - as above

    try:
        found = listen(broker, seconds, show=True)
    except BrokerError as error:
        fail(str(error))
    if not found.messages and not found.unknown:
        fail(f"nothing was heard on {broker} in {seconds:g} s: does it carry messages, and may we read them?")
    typer.echo(found.config(), nl=False)


@app.command()
def calibrate(
    tag: Annotated[str, typer.Option(help="canonical id of what the walker carries: a tag, or a phone that hears beacons")],
    config: ConfigOption = Path("wayside.toml"),
    walk: Annotated[Path | None, typer.Option(help="a recorded walk: messages with at_ms, and marks, as JSON lines")] = None,
    broker: Annotated[str | None, typer.Option(help="instead: walk now, and listen to mqtt://host:port")] = None,
    mark: Annotated[list[str] | None, typer.Option(help="where to stand, as anchor=metres; several, at several distances")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="how long to listen at each mark")] = 20.0,
) -> None:
    """Measure the site's path loss and each anchor's offset on a short walk, and print them as config text.

    Example: `wayside calibrate --config wayside.toml --broker mqtt://127.0.0.1:1883 --tag e375cf000001 --mark plaza=1 --mark plaza=4`
    """
    from gateway import calibrating  # noqa: PLC0415 - numpy and paho load only here
    from gateway.broker import BrokerError  # noqa: PLC0415 - as above
    from gateway.build import build_road  # noqa: PLC0415 - see run

    settings = _load(config, None)
    if (walk is None) == (broker is None) or bool(broker) != bool(mark):
        fail("name either --walk FILE, or --broker URL with a --mark for each place to stand", 2)
    road = _guarded(lambda: build_road(settings))
    try:
        if walk is not None:
            stood = calibrating.read_walk(walk, road)
        else:
            marks = [calibrating.parse_mark(text) for text in mark or ()]
            stood = calibrating.listen(broker or "", road, marks, seconds, _ask)
        typer.echo(calibrating.calibrate(stood, tag, settings.anchors()).config(), nl=False)
    except (calibrating.CalibrationError, BrokerError, OSError) as error:
        fail(str(error))


def _ask(mark: Mark) -> None:
    typer.prompt(f"Stand {mark.distance_m:g} m from {mark.anchor}, stay there, and press Enter", default="", show_default=False, err=True)


@app.command()
def why(
    decision: Annotated[str | None, typer.Argument(help="the decision's id; without it the newest decisions are listed")] = None,
    config: ConfigOption = Path("wayside.toml"),
    override: SetOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Explain a decision: every candidate, its gate or its rank, and the features that mattered.

    Example: `wayside why gw-a.0f3a2b1c4d5e6f70 --config wayside.toml`
    """
    from gateway import build, explaining  # noqa: PLC0415 - see run

    settings = _load(config, override)
    with closing(_guarded(lambda: build.open_reader(settings))) as store:
        if decision is None:
            explaining.print_latest(store, as_json=as_json)
            return
        found = store.decision(decision)
    if found is None:
        fail(f"no decision {decision!r} here; `wayside why --config {config}` lists the newest")
    explaining.print_decision(settings, *found, as_json=as_json)


bundle_app = typer.Typer(no_args_is_help=True, help="Signed bundles: look at one, install one, go back.", rich_markup_mode="markdown")
app.add_typer(bundle_app, name="bundle")
BundleArgument = Annotated[Path, typer.Argument(help="the bundle")]


@bundle_app.command()
def verify(bundle: BundleArgument, config: ConfigOption = Path("wayside.toml"), *, as_json: JsonOption = False) -> None:
    """Open a bundle as this gateway would, its model in a process of its own; nothing is changed.

    Example: `wayside bundle verify new.bundle --config wayside.toml`
    """
    from gateway import bundling  # noqa: PLC0415 - see run

    settings = _load(config, None)
    bundling.print_bundle(_guarded(lambda: bundling.verified(bundle, settings)), "this gateway can run it", as_json=as_json)


@bundle_app.command()
def show(
    bundle: Annotated[Path | None, typer.Argument(help="the bundle; without it the active one")] = None,
    config: ConfigOption = Path("wayside.toml"),
    *,
    as_json: JsonOption = False,
) -> None:
    """Print what a bundle holds, an expired one too.

    Example: `wayside bundle show --config wayside.toml`
    """
    from gateway import bundling  # noqa: PLC0415 - see run

    settings = _load(config, None)
    path = bundle or settings.bundle.path
    bundling.print_bundle(_guarded(lambda: bundling.verified(path, settings, judge_expiry=False)), "signed and whole", as_json=as_json)


@bundle_app.command()
def install(
    bundle: BundleArgument,
    config: ConfigOption = Path("wayside.toml"),
    series: Annotated[str | None, typer.Option(help="name of the bundle's series, where it is another than the one that runs")] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Verify a bundle and make it the active one; the one before is kept. A gateway that runs takes it up by itself.

    Example: `wayside bundle install new.bundle --config wayside.toml`
    """
    from gateway import bundling  # noqa: PLC0415 - see run

    settings = _load(config, None)
    bundling.print_bundle(_guarded(lambda: bundling.install(bundle, settings, series=series)), "installed", as_json=as_json)


@bundle_app.command()
def rollback(config: ConfigOption = Path("wayside.toml"), *, as_json: JsonOption = False) -> None:
    """Go back to the bundle before; once more returns to the newer one. A gateway that runs follows by itself.

    Example: `wayside bundle rollback --config wayside.toml`
    """
    from gateway import bundling  # noqa: PLC0415 - see run

    settings = _load(config, None)
    bundling.print_bundle(_guarded(lambda: bundling.rollback(settings)), "active again", as_json=as_json)


history_app = typer.Typer(no_args_is_help=True, help="What the gateway remembers, to learn from.", rich_markup_mode="markdown")
app.add_typer(history_app, name="history")


@history_app.command("export")
def history_export(
    out: Annotated[Path, typer.Option("--out", help="folder for interactions.csv and baskets.csv")],
    config: ConfigOption = Path("wayside.toml"),
    *,
    as_json: JsonOption = False,
) -> None:
    """Write what is remembered of people who said yes to learning, under pseudonyms of this export only; the gateway may be running.

    Example: `wayside history export --config wayside.toml --out history`
    """
    from gateway.exporting import export_history  # noqa: PLC0415 - see run

    settings = _load(config, None)
    _guarded(lambda: export_history(settings, out, as_json=as_json))


@app.command()
def demo(
    seconds: Annotated[float | None, typer.Option(min=1, help="end by itself after this long; without it, Ctrl-C ends it")] = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="the dashboard's port; 0 takes a free one")] = 8080,
    seed: Annotated[int, typer.Option(help="the street's seed")] = 1,
    *,
    headless: Annotated[bool, typer.Option(help="no live summary")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run everything: broker, simulated street, two gateways, dashboard.

    Example: `wayside demo --seconds 60`
    """
    from gateway.demo import DemoError, run_demo  # noqa: PLC0415 - only people who look need it

    try:
        faults = run_demo(seconds=seconds, port=port, seed=seed, headless=headless, as_json=as_json)
    except DemoError as error:
        fail(str(error))
    raise typer.Exit(1 if faults else 0)


@app.command()
def bench(config: ConfigOption = Path("deploy/demo/gw-a.toml"), *, as_json: JsonOption = False) -> None:
    """Measure the road on this machine, part by part and whole, with its method and what it does not cover.

    Example: `wayside bench --config deploy/demo/gw-a.toml`
    """
    from gateway.bench import run_bench  # noqa: PLC0415 - see run

    _load(config, None)
    _guarded(lambda: run_bench(config, as_json=as_json))


def _load(path: Path, overrides: list[str] | None) -> Config:
    from gateway.config import ConfigError, load_config  # noqa: PLC0415 - pydantic takes 100 ms to import

    try:
        return load_config(path, overrides or [])
    except ConfigError as error:
        fail(str(error), 2)


def _build(settings: Config) -> App:
    from gateway.build import build  # noqa: PLC0415 - see run

    return _guarded(lambda: build(settings))


def _guarded(action: Callable[[], T]) -> T:
    """Run a set-up step; its known faults end the program in one line."""
    from gateway.build import FAULTS  # noqa: PLC0415 - see run

    try:
        return action()
    except FAULTS as error:
        fail(str(error))


if __name__ == "__main__":
    main()
