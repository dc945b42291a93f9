"""What the tests of the dashboard share: a clock in their hands, an empty store, a way to post."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from httpx import Response
from starlette.testclient import TestClient

from dashboard.app import create_app
from dashboard.settings import Settings, sqlite_url
from dashboard.studio.publisher import Publisher
from tests.web.people import COOKIE, sign_in
from tests.web.seed import HOUR_MS, START_MS, TOKENS, Json, bearer, packed

Post = Callable[[Json], Response]

WORLD = Path(__file__).resolve().parents[2] / "deploy" / "worlds" / "street"
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)


class ManualClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ms = START_MS + 5 * HOUR_MS

    def __call__(self) -> int:
        """The moment at which it stands."""
        return self.now_ms

    def advance(self, length_ms: int) -> None:
        """Let `length_ms` pass."""
        self.now_ms += length_ms


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def settings(tmp_path: Path, clock: ManualClock) -> Settings:
    return Settings(database_url=sqlite_url(tmp_path / "street.db"), tokens=TOKENS, now_ms=clock, refresh_s=60.0, gap_s=0.0)


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    app = create_app(settings)
    with TestClient(app, base_url="http://localhost", cookies={COOKIE: sign_in(app)}) as client:
        yield client


@pytest.fixture
def post(client: TestClient) -> Post:
    """Post a batch as the gateway that it names."""
    return lambda body: client.post("/v1/batches", content=packed(body), headers=bearer(body["gateway"]))


@pytest.fixture(scope="session")
def publisher(tmp_path_factory: pytest.TempPathFactory) -> Publisher:
    key = tmp_path_factory.mktemp("key") / "campaign.key"
    key.write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return Publisher.load(WORLD / "street.bundle", WORLD / "bundle.pub", key)
