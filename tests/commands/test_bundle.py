"""`wayside bundle`: checks before a bundle becomes active, and the hot reload of a running gateway."""

from __future__ import annotations

import io
import json
from pathlib import Path, PosixPath

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.adapters.bundle import open_bundle, read_public_keys
from gateway.adapters.bundle_store import BundleStore
from gateway.adapters.onnx_scorer import OnnxScorer, ScorerError
from gateway.build import build
from gateway.commands import bundle as bundling
from gateway.core import limits
from gateway.core.attributes.grouping import NOTHING_MINED, Mined
from gateway.core.attributes.groups import Association, Groups
from gateway.core.learned import Pattern
from gateway.runtime import model_check
from gateway.runtime.app import App
from gateway.runtime.model_slot import ModelSlot
from tests.commands.terminal import wayside
from tests.kit.attributes import COLUMNS, MINED_SCHEMA
from tests.kit.bundles import STRANGER, YEAR_2026_MS, YEAR_2090_MS, make_bundle, tiny_campaign
from tests.kit.gateways import settings_of, store_of, walk_in, write_config


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path)


def newer(folder: Path, version: int = 2, **changes: object) -> Path:
    """Another bundle of the same series, elsewhere."""
    place = folder / f"new-{version}-{len(list(folder.iterdir()))}"
    place.mkdir()
    return make_bundle(place, version=version, **changes).bundle  # type: ignore[arg-type]  # fields of a Draft by name


def active(config: Path) -> int:
    settings = settings_of(config)
    keys = [key for path in settings.bundle.trusted_keys for key in read_public_keys(path)]
    return open_bundle(settings.bundle.path, keys, None).manifest.version


def test_install_and_the_way_back(config: Path, tmp_path: Path) -> None:
    result = wayside("bundle", "install", newer(tmp_path), "--config", config, "--json")
    assert (result.code, json.loads(result.out)["manifest"]["version"], active(config)) == (0, 2, 2)
    result = wayside("bundle", "rollback", "--config", config)
    assert (result.code, "tiny version 1: active again" in result.out, active(config)) == (0, True, 1)
    assert wayside("check", "--config", config).code == 0
    result = wayside("bundle", "show", "--config", config, "--json")
    assert json.loads(result.out)["offers"] == ["flat-white"]


def test_versions_only_count_up(config: Path, tmp_path: Path) -> None:
    newest = newer(tmp_path, 3)
    wayside("bundle", "install", newest, "--config", config)
    assert wayside("bundle", "install", newer(tmp_path, 2), "--config", config).refusal(1).startswith("older_version: version 2")
    wayside("bundle", "rollback", "--config", config)
    assert wayside("bundle", "install", newest, "--config", config).refusal(1).startswith("older_version: version 3")
    assert active(config) == 1


def test_an_old_file_put_there_by_hand_does_not_start(config: Path, tmp_path: Path) -> None:
    old = settings_of(config).bundle.path.read_bytes()
    for version in (2, 3):
        wayside("bundle", "install", newer(tmp_path, version), "--config", config)
    settings_of(config).bundle.path.write_bytes(old)
    assert "tiny.bundle: older_version: version 1 is older than 3" in wayside("check", "--config", config).refusal(1)


def test_another_series_only_by_name(config: Path, tmp_path: Path) -> None:
    other = newer(tmp_path, 1, name="mall")
    assert wayside("bundle", "install", other, "--config", config).refusal(1).startswith("other_series: it is of series 'mall'")
    assert wayside("bundle", "install", other, "--config", config, "--series", "mall").code == 0
    assert wayside("check", "--config", config).code == 0


class Fickle(PosixPath):
    """A file that is another one each time it is opened."""

    contents: list[bytes]

    def open(self, *_: object, **__: object) -> io.BytesIO:  # type: ignore[override]  # only ever read as bytes
        return io.BytesIO(self.contents.pop(0))


def test_what_is_installed_is_what_was_verified(config: Path, tmp_path: Path) -> None:
    path = Fickle(tmp_path / "fickle.bundle")
    path.contents = [newer(tmp_path, version).read_bytes() for version in (2, 3)]
    bundling.install_bundle(path, settings_of(config), series=None)
    assert (active(config), len(path.contents)) == (2, 1)


def test_what_is_refused_changes_nothing(config: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / "cut.bundle").write_bytes(newer(tmp_path).read_bytes()[:-9])
    refused = {
        "bad_signature": newer(tmp_path, signed_by=STRANGER),
        "expired": newer(tmp_path, expires_at_ms=YEAR_2026_MS + 1),
        "not_a_bundle": cut / "cut.bundle",
        "parity_differs": newer(tmp_path, expected=0.5),
    }
    for reason, path in refused.items():
        assert reason in wayside("bundle", "install", path, "--config", config).refusal(1)
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    assert (
        wayside("bundle", "rollback", "--config", config).refusal(1).endswith("a rollback needs two bundles installed one after the other")
    )


def test_an_expired_bundle_can_still_be_shown(config: Path, tmp_path: Path) -> None:
    old = newer(tmp_path, expires_at_ms=YEAR_2026_MS + 1)
    assert "expired" in wayside("bundle", "verify", old, "--config", config).refusal(1)
    assert wayside("bundle", "show", old, "--config", config).code == 0


def test_a_model_that_needs_too_much_is_stopped(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process of the model check ends; this process reports it."""
    settings = settings_of(config)
    keys = [key for path in settings.bundle.trusted_keys for key in read_public_keys(path)]
    model = open_bundle(settings.bundle.path, keys, None).model
    model_check.check_model(model)
    monkeypatch.setattr(limits, "MODEL_CHECK_ELAPSED_S_MAX", 0)
    with pytest.raises(ScorerError, match="did not end within 0 s"):
        model_check.check_model(model)


def test_a_trial_meets_neither_secrets_nor_strangers(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has neither the store key in its environment nor imports from the current folder; its error is reported."""
    settings = settings_of(config)
    keys = [key for path in settings.bundle.trusted_keys for key in read_public_keys(path)]
    model = open_bundle(settings.bundle.path, keys, None).model
    (tmp_path / "gateway").mkdir()
    (tmp_path / "gateway" / "__init__.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAYSIDE_STORE_KEY", "secret")
    assert "secret" not in model_check._environment().values()
    with pytest.raises(ScorerError, match=r"the model check failed: msgspec\.ValidationError"):
        model_check.check_model(msgspec.structs.replace(model, onnx="no bytes"))


def test_damaged_models_end_in_their_own_process(config: Path) -> None:
    """Random damage without any check before: the runtime may crash, but only in the other process."""
    settings = settings_of(config)
    keys = [key for path in settings.bundle.trusted_keys for key in read_public_keys(path)]
    model = open_bundle(settings.bundle.path, keys, None).model
    draws = np.random.default_rng(5)
    for number in range(4):
        onnx = bytearray(model.onnx)
        for _ in range(1 + 8 * number):
            onnx[int(draws.integers(len(onnx)))] ^= 1 << int(draws.integers(8))
        with pytest.raises(ScorerError, match="model_broken"):
            model_check.check_model(msgspec.structs.replace(model, onnx=bytes(onnx)))


class Tired(OnnxScorer):
    """A model that errs."""

    def __init__(self) -> None:
        """There is nothing behind it."""

    def score(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        raise ScorerError("bad_scores", f"it is tired of {len(rows)} rows")


def desk_of(app: App) -> ModelSlot:
    assert isinstance(app.model_slot, ModelSlot)
    return app.model_slot


def enter(app: App, number: int) -> str:
    """The reason of the decision after a person consented and entered."""
    before = app.counters.reasons.copy()
    for message in walk_in(f"phone-{number:04}"):
        app.mailbox.deliver([message])
    app.turn(0.0)
    (reason,) = (app.counters.reasons - before).elements()
    return reason


ROWS = np.zeros((2, len(COLUMNS)), dtype=np.float32)


def test_a_model_that_errs_is_silent_from_then_on(config: Path, caplog: pytest.LogCaptureFixture) -> None:
    app = build(settings_of(config))
    model_slot = desk_of(app)
    assert enter(app, 1) == "chosen"
    model_slot._scorer = Tired()
    assert [model_slot.score(ROWS) for _ in range(3)] == [None, None, None]
    assert enter(app, 2) == "no_model"
    assert model_slot.poll(YEAR_2026_MS) is None
    assert enter(app, 3) == "no_model"
    assert [line for line in caplog.messages if "tired" in line] == [caplog.messages[0]]
    assert caplog.messages[0].startswith("bad_scores: it is tired of 2 rows; no offers are sent")
    app.store.close()


def test_a_model_that_errs_makes_room_for_the_one_before(config: Path, tmp_path: Path) -> None:
    wayside("bundle", "install", newer(tmp_path), "--config", config)
    app = build(settings_of(config))
    model_slot = desk_of(app)
    assert model_slot.version == "tiny-2"
    for left in ("tiny-1", ""):  # the older one errs too: no third try, and no taking turns
        model_slot._scorer = Tired()
        model_slot.score(ROWS)
        assert model_slot.version == ""
        for _ in range(3):
            model_slot.poll(YEAR_2026_MS)
        assert model_slot.version == left
    assert active(config) == 1
    app.store.close()


def test_a_running_gateway_takes_up_what_is_installed(config: Path, tmp_path: Path) -> None:
    app = build(settings_of(config))
    model_slot = desk_of(app)
    assert enter(app, 1) == "chosen"
    changed = tiny_campaign(propensity_min=0.99)
    wayside("bundle", "install", newer(tmp_path, campaign=changed), "--config", config)
    app._housekeeping_at_ms = 0
    assert enter(app, 2) == "chosen"  # looks around after this batch
    assert model_slot.version == "tiny-2"
    assert enter(app, 3) == "propensity_low"
    wayside("bundle", "rollback", "--config", config)
    app._housekeeping_at_ms = 0
    app.turn(0.0)
    assert enter(app, 4) == "chosen"
    app.store.close()


def test_a_running_gateway_derives_attributes_by_the_groups_that_are_installed(config: Path, tmp_path: Path) -> None:
    app = build(settings_of(config))
    groups = Groups(1, associations=(Association("habit", "intensity", ("visits_bar", "visits_coffee_house")),))
    patterns = (Pattern(("bar",), "coffee_house", 0.5, 2.5, 40, 192.0, 2_304.0),)
    read = (*COLUMNS, "gain", "habit")
    mined = newer(tmp_path, patterns=patterns, groups=groups, schema=MINED_SCHEMA, columns=read)
    assert app.site.mined == NOTHING_MINED
    assert wayside("bundle", "install", mined, "--config", config).code == 0
    app._housekeeping_at_ms = 0
    app.turn(0.0)
    assert app.site.mined == Mined(groups, patterns)
    assert {"habit", "gain:coffee_house"} <= {one.name for one in app.site.plan.history.attributes}
    assert enter(app, 1) == "chosen"
    shown = json.loads(wayside("bundle", "show", "--config", config, "--json").out)
    assert (shown["groups"], shown["patterns"]) == (["habit"], 1)
    app.store.close()


def test_a_file_swapped_behind_its_back_is_not_taken_up(config: Path, tmp_path: Path) -> None:
    app = build(settings_of(config))
    model_slot = desk_of(app)
    bundle_store = BundleStore(settings_of(config).bundle.path)
    content = newer(tmp_path).read_bytes()
    bundle_store.install(content, "tiny", 2)
    bundle_store.active.write_bytes(content + b"x")
    assert model_slot.poll(YEAR_2026_MS) is None
    assert model_slot.version == "tiny-1"
    app.store.close()


def test_a_rollback_seen_half_done_is_taken_up_once_done(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Going back writes the note first; the gateway may look between that and the renaming."""
    wayside("bundle", "install", newer(tmp_path), "--config", config)
    app = build(settings_of(config))
    model_slot = desk_of(app)
    replace = Path.replace

    def looked(path: Path, target: Path) -> Path:
        if path.name.endswith(".previous"):
            for _ in range(2):
                assert model_slot.poll(YEAR_2026_MS) is None
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", looked)
    BundleStore(settings_of(config).bundle.path).roll_back()
    assert model_slot.poll(YEAR_2026_MS) is not None
    assert model_slot.version == "tiny-1"
    app.store.close()


def test_no_way_back_to_a_bundle_that_would_not_start(config: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The broken one still starts, and observes; one that has expired meanwhile would not."""
    settings = settings_of(config)
    bundle_store = BundleStore(settings.bundle.path)
    bundle_store.active.write_bytes(newer(tmp_path, 1, expires_at_ms=YEAR_2026_MS + 1).read_bytes())
    bundle_store.install(newer(tmp_path).read_bytes(), "tiny", 2)
    app = build(settings)
    model_slot = desk_of(app)
    model_slot._scorer = Tired()
    model_slot.score(ROWS)
    model_slot.poll(YEAR_2090_MS - 1)
    assert active(config) == 2
    assert any(line.startswith("cannot roll back: ") and "tiny.bundle.previous: expired" in line for line in caplog.messages)
    app.store.close()


def test_keys_that_cannot_be_read_cost_no_observations(config: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = settings_of(config)
    app = build(settings)
    model_slot = desk_of(app)
    BundleStore(settings.bundle.path).install(newer(tmp_path).read_bytes(), "tiny", 2)
    settings.bundle.trusted_keys[0].write_text("no key")
    assert model_slot.poll(YEAR_2026_MS) is None
    assert model_slot.version == "tiny-1"
    assert any("bundle.trusted_keys" in line for line in caplog.messages)
    app.store.close()


def test_a_first_install_that_a_power_cut_ended_can_be_repeated(config: Path, tmp_path: Path) -> None:
    """The new bundle is active, and nothing is noted yet."""
    new = newer(tmp_path)
    bundle_store = BundleStore(settings_of(config).bundle.path)
    bundle_store.active.write_bytes(new.read_bytes())
    bundle_store.active.with_name(bundle_store.active.name + ".notes").unlink()
    assert wayside("bundle", "install", new, "--config", config).code == 0
    assert bundle_store.is_checked()
    assert wayside("bundle", "install", new, "--config", config).refusal(1).startswith("older_version: version 2 is not newer")


def test_time_ends_a_bundle_that_is_at_work(config: Path) -> None:
    app = build(settings_of(config))
    model_slot = desk_of(app)
    assert model_slot.poll(YEAR_2090_MS - 1) is None
    assert model_slot.score(ROWS) is not None
    assert model_slot.poll(YEAR_2090_MS) is None
    assert (model_slot.score(ROWS), model_slot.version) == (None, "")
    app.store.close()


def test_a_gateway_whose_bundle_has_expired_starts_and_is_silent(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Consents and withdrawals are served all the same; `wayside check` is where the expiry is a fault."""
    (tmp_path / "old").mkdir()
    config = write_config(tmp_path, files=make_bundle(tmp_path / "old", expires_at_ms=YEAR_2026_MS + 1))
    assert "tiny.bundle: expired: " in wayside("check", "--config", config).refusal(1)
    app = build(settings_of(config))
    assert "bundle tiny-1 has expired" in caplog.text
    assert enter(app, 1) == "no_model"
    assert store_of(app).totals()["facts"] == 1
    app.store.close()
