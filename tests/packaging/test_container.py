"""The container recipe and the compose file, read without a container engine: form, files, options and mounts fit each other."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from gateway.cli import COMMANDS, load
from tests.house.tree import ROOT

FOLDER = ROOT / "packaging" / "container"
INSTRUCTIONS = frozenset("FROM WORKDIR COPY RUN USER VOLUME EXPOSE ENTRYPOINT CMD".split())
IMAGES = {"wayside:0.1.0": "gateway", "wayside-dashboard:0.1.0": "dashboard"}


def _instructions() -> list[tuple[str, str]]:
    text = (FOLDER / "Containerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


@pytest.fixture
def services() -> dict[str, Any]:
    return dict(yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))["services"])


def test_the_recipe_has_only_known_instructions_and_copies_what_exists() -> None:
    stages = []
    for word, rest in _instructions():
        assert word in INSTRUCTIONS, word
        if word == "FROM":
            stages.append(rest.rpartition(" AS ")[2])
        if word == "COPY" and not rest.startswith(("--from=", "dist/")):
            assert (ROOT / rest.split()[0]).exists(), rest
        if rest.startswith("--from="):
            assert rest.split()[0].removeprefix("--from=") in stages[:-1]
    assert set(IMAGES.values()) < set(stages)


def test_every_service_mounts_declared_volumes_and_an_image_that_is_built(services: dict[str, Any]) -> None:
    whole = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))
    mounted = {volume.split(":")[0] for one in services.values() for volume in one.get("volumes", ())}
    assert mounted == set(whole["volumes"])
    for name, one in services.items():
        assert one["image"] in IMAGES or one["image"].startswith("eclipse-mosquitto:"), name
        assert one["cap_drop"] == ["ALL"], name
        assert name == "setup" or (one["read_only"], one["restart"]) == (True, "unless-stopped")
        assert set(one.get("depends_on", ())) <= set(services)
    published = {port.rpartition(":")[2] for one in services.values() for port in one.get("ports", ())}
    assert published == {"8883", "8443", "8000"}


def test_the_options_in_the_compose_file_exist(services: dict[str, Any]) -> None:
    commands = {"setup": "init", "authority": "pki"}
    for service, name in commands.items():
        assert name in COMMANDS
        words = " ".join(services[service]["command"])
        command = load(name)
        known = _options(command)
        assert set(re.findall(r"(?<!\S)--[a-z-]+", words)) <= known, service


def _options(command: Any) -> set[str]:
    own = {option for parameter in command.params for option in parameter.opts}
    return own.union(*(_options(one) for one in getattr(command, "commands", {}).values()))
