"""Login by an OpenID Connect provider: a small one on the loopback, and each way in which its answer can be wrong."""

from __future__ import annotations

import hashlib
import json
import threading
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from httpx import Response
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey
from starlette.testclient import TestClient

from dashboard.app import create_app
from dashboard.people import provider as providers
from dashboard.people.provider import Provider, ProviderError, load_provider
from dashboard.settings import Settings
from tests.web.people import COOKIE, sign_in
from tests.web.seed import HOUR_MS

KEY = ECKey.generate_key("P-256", parameters={"kid": "1"}, private=True)
OTHER = ECKey.generate_key("P-256", parameters={"kid": "1"}, private=True)
SECRET = "secret-of-the-desk"


class LocalProvider:
    """Answers the document, the keys and one code; `claims` are those of the next id token."""

    def __init__(self, now_ms: int) -> None:
        provider = self
        self.now_s = now_ms // 1000
        self.claims: dict[str, Any] = {}
        self.key: Any = KEY
        self.alg = "ES256"
        self.forms: list[dict[str, list[str]]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(provider.get(self.path))

            def do_POST(self) -> None:
                form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                provider.forms.append(parse_qs(form) | {"authorization": [self.headers["Authorization"]]})
                self.answer({"id_token": provider.token()})

            def answer(self, body: Any) -> None:
                text = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def get(self, path: str) -> dict[str, Any]:
        if path == "/keys":
            return {"keys": [KEY.as_dict(private=False) | {"alg": "ES256", "use": "sig"}]}
        places = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/keys"}
        return {"issuer": self.issuer} | {name: self.issuer + place for name, place in places.items()}

    def token(self) -> str:
        usual = {"iss": self.issuer, "aud": "desk", "sub": "7", "iat": self.now_s, "exp": self.now_s + 60}
        named = {"preferred_username": "Ines Example", "roles": ["staff", "wayside-marketing"]}
        return str(jwt.encode({"alg": self.alg, "kid": "1"}, usual | named | self.claims, self.key, algorithms=[self.alg]))


@pytest.fixture
def local(settings: Settings) -> Iterator[LocalProvider]:
    running = LocalProvider(settings.now_ms())
    yield running
    running.server.shutdown()
    running.server.server_close()


@pytest.fixture
def file(local: LocalProvider, tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text(f"{SECRET}\n", "utf-8")
    path = tmp_path / "oidc.toml"
    lines = [f'issuer = "{local.issuer}"', 'client_id = "desk"', 'client_secret_file = "secret"', 'label = "City login"']
    path.write_text("\n".join([*lines, "[roles]", 'wayside-marketing = "marketer"', 'staff = "viewer"']), "utf-8")
    return path


@pytest.fixture
def client(settings: Settings, file: Path) -> TestClient:
    app = create_app(settings, None, load_provider(file, settings.now_ms))
    return TestClient(app, base_url="http://localhost", follow_redirects=False)


def begin(client: TestClient, local: LocalProvider) -> dict[str, str]:
    """The query with which the desk sends the browser to the provider; the next token has its nonce."""
    answer = client.get("/oidc/login?next=/results")
    assert answer.status_code == 303
    place = urlsplit(answer.headers["location"])
    assert f"{place.scheme}://{place.netloc}{place.path}" == f"{local.issuer}/authorize"
    query = {name: values[0] for name, values in parse_qs(place.query).items()}
    local.claims = {"nonce": query["nonce"]} | local.claims
    return query


def end(client: TestClient, state: str) -> Response:
    answer: Response = client.get("/oidc/callback", params={"code": "one", "state": state})
    return answer


def test_a_person_logs_in_with_the_role_of_the_provider(client: TestClient, local: LocalProvider) -> None:
    assert "Log in with City login" in client.get("/login").text
    query = begin(client, local)
    assert query["redirect_uri"] == "http://localhost/oidc/callback"
    answer = end(client, query["state"])
    assert (answer.status_code, answer.headers["location"]) == (303, "/results")
    form = local.forms[0]
    challenge = urlsafe_b64encode(hashlib.sha256(form["code_verifier"][0].encode()).digest()).rstrip(b"=").decode()
    assert query["code_challenge"] == challenge
    assert form["authorization"][0].startswith("Basic ")
    caller = client.app.state.accounts.caller(client.cookies[COOKIE], "browser")  # type: ignore[attr-defined]
    assert (caller.account, caller.role) == ("ines-example", "marketer")
    assert client.app.state.accounts.login("ines-example", "") is None  # type: ignore[attr-defined]
    local.claims = {"preferred_username": "renamed", "roles": "staff"}
    assert end(client, begin(client, local)["state"]).status_code == 303
    caller = client.app.state.accounts.caller(client.cookies[COOKIE], "browser")  # type: ignore[attr-defined]
    assert (caller.account, caller.role) == ("ines-example", "viewer")


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"nonce": "another"}, 401),
        ({"aud": "another-desk"}, 401),
        ({"aud": ["desk", "other"], "azp": "other"}, 401),
        ({"iss": "https://another.example"}, 401),
        ({"exp": 0}, 401),
        ({"exp": None}, 401),
        ({"iat": 9_999_999_999}, 401),
        ({"sub": ""}, 401),
        ({"preferred_username": 7}, 401),
        ({"roles": ["unknown"]}, 403),
        ({"roles": {"wayside-marketing": 1}}, 403),
        ({"preferred_username": "--"}, 403),
    ],
    ids=str,
)
def test_a_wrong_token_is_refused(claims: dict[str, Any], status: int, client: TestClient, local: LocalProvider) -> None:
    local.claims = claims
    answer = end(client, begin(client, local)["state"])
    assert answer.status_code == status
    assert COOKIE not in answer.cookies


def test_a_forged_signature_is_refused(client: TestClient, local: LocalProvider) -> None:
    query = begin(client, local)
    for key, alg in ((OTHER, "ES256"), (OctKey.import_key(json.dumps(KEY.as_dict(private=False))), "HS256")):
        local.key, local.alg = key, alg
        assert end(client, query["state"]).status_code == 401
    local.key, local.alg = KEY, "ES256"
    assert end(client, query["state"]).status_code == 303


def test_a_login_ends_in_the_browser_that_began_it_and_in_time(client: TestClient, local: LocalProvider, settings: Settings) -> None:
    state = begin(client, local)["state"]
    assert end(client, "another").status_code == 401
    stranger = TestClient(client.app, base_url="http://localhost", follow_redirects=False)
    assert end(stranger, state).status_code == 401
    kept = client.cookies["wayside-login"]
    stranger.cookies = {"wayside-login": kept[:-1] + ("0" if kept[-1] != "0" else "1")}
    assert end(stranger, state).status_code == 401
    settings.now_ms.advance(HOUR_MS)  # type: ignore[attr-defined]
    assert end(client, state).status_code == 401


def test_an_account_of_the_same_name_is_not_entered(client: TestClient, local: LocalProvider) -> None:
    sign_in(client.app, "admin", "ines-example")  # type: ignore[arg-type]
    answer = end(client, begin(client, local)["state"])
    assert answer.status_code == 403
    assert "another account with the name ines-example" in answer.text


def test_a_closed_account_stays_closed(client: TestClient, local: LocalProvider) -> None:
    accounts = client.app.state.accounts  # type: ignore[attr-defined]
    sign_in(client.app, "admin")  # type: ignore[arg-type]
    assert end(client, begin(client, local)["state"]).status_code == 303
    accounts.change("ines-example", "marketer", disabled=True, by="admin")
    local.claims = {}
    assert end(client, begin(client, local)["state"]).status_code == 403


def test_without_the_provider_passwords_go_on(settings: Settings, client: TestClient, local: LocalProvider) -> None:
    local.server.shutdown()
    local.server.server_close()
    assert client.get("/oidc/login").status_code == 503
    assert client.get("/login").status_code == 200
    plain = TestClient(create_app(settings), base_url="http://localhost", follow_redirects=False)
    assert plain.get("/oidc/login").status_code == 404
    assert "/oidc/login" not in plain.get("/login").text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("issuer = 'http://city.example'\nclient_id = 'desk'\nroles = {}", "write an https:// address"),
        ("issuer = 'https://city.example'\nclient_id = 'desk'\nroles = {a = 'owner'}", "'owner'; choose viewer"),
        ("issuer = 'https://city.example'\nroles = {}", "client_id"),
        ("issuer = 'https://city.example'\nclient_id = 'desk'\nroles = {}\nclient_secret_file = 'gone'", "gone: No such file"),
        ("issuer =", "oidc.toml"),
    ],
)
def test_a_wrong_file_is_refused(text: str, line: str, tmp_path: Path) -> None:
    path = tmp_path / "oidc.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(ProviderError, match=line):
        load_provider(path, lambda: 0)


def test_without_the_extra_the_option_is_refused_with_the_remedy(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "find_spec", lambda _name: None)
    with pytest.raises(ProviderError, match=r"pip install 'wayside-dashboard\[oidc\]'"):
        load_provider(file, lambda: 0)


def test_a_document_of_another_issuer_is_refused() -> None:
    document = json.dumps({"issuer": "https://other.example", "authorization_endpoint": "https://other.example/a"}).encode()
    settings = providers.OidcSettings("https://city.example", "desk", {})
    for text in (
        document,
        b"[]",
        b"<html>",
        document.replace(b"other.example", b"city.example").replace(b"https://city.example/a", b"file:///x"),
    ):
        with pytest.raises(ProviderError):
            Provider(settings, "", lambda: 0, lambda *_, text=text: text).address("r", "s", "n", "c")
