"""The webhook over real sockets: the signature of the standard, one deadline for everything, no redirects, and each answer by its kind."""

from __future__ import annotations

import base64
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.adapters.http_client import ClientError, HttpTarget
from gateway.adapters.webhook import Webhook, read_secret, signature
from tests.kit.broker import free_port

SECRET = b"a secret of 24 bytes or so"
NOW_MS = 1_790_000_000_123


@contextmanager
def receiver(*answers: bytes | Callable[[socket.socket], None]) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives one answer a connection; its address, and the requests so far."""
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for answer in answers:
                connection, _ = listening.accept()
                with connection:
                    found = b""
                    while b"\r\n\r\n" not in found or not found.endswith(b"}"):
                        found += connection.recv(65_536)
                    requests.append(found)
                    if callable(answer):
                        answer(connection)
                    else:
                        connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/hook?a=1", requests
        thread.join(20)
        assert not thread.is_alive()


def post(url: str, deadline_s: float = 5.0) -> tuple[str, str]:
    return Webhook(HttpTarget(url, deadline_s=deadline_s), SECRET).post("gw-a.01", b'{"v":1}', NOW_MS)


def test_the_signature_is_that_of_the_standard() -> None:
    """The example of the Standard Webhooks specification's reference libraries."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    found = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_message_is_posted_with_its_headers() -> None:
    with receiver(b"HTTP/1.1 204 No Content\r\n\r\n") as (url, requests):
        assert post(url) == ("taken", "")
    (request,) = requests
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /hook?a=1 HTTP/1.1"
    fields = dict(line.split(": ", 1) for line in lines[1:])
    assert (fields["webhook-id"], fields["webhook-timestamp"], body) == ("gw-a.01", "1790000000", b'{"v":1}')
    assert fields["webhook-signature"] == signature(SECRET, "gw-a.01", "1790000000", body)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "taken"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "refused"),
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "refused"),
        (b"HTTP/1.1 429 Too Many\r\nContent-Length: 0\r\n\r\n", "busy"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "busy"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "unreachable"),
        (b"", "unreachable"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "unreachable"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" + b"a" * 99_999, "unreachable"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 50_000, "unreachable"),
    ],
)
def test_each_answer_has_its_kind(answer: bytes, kind: str) -> None:
    with receiver(answer) as (url, requests):
        assert post(url)[0] == kind
    assert len(requests) == 1, "a redirect is not followed"


def test_a_dripping_answer_has_a_deadline() -> None:
    """The receiver sends a byte now and then, each in time; the exchange ends at its one deadline."""
    gone = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        try:
            while not gone.wait(0.02):
                connection.sendall(b"a")
        except OSError:
            gone.set()

    with receiver(drip) as (url, _):
        kind, trouble = post(url, deadline_s=0.3)
    assert gone.is_set()
    assert (kind, "within 0.3 s" in trouble) == ("unreachable", True)


def test_nobody_listening_is_unreachable() -> None:
    kind, trouble = post(f"http://127.0.0.1:{free_port()}/hooks/T0K3N?key=S3CR3T")
    assert kind == "unreachable"
    assert "does not answer" in trouble
    assert not re.search("T0K3N|S3CR3T", trouble), "the log and the retained status have it"


@pytest.mark.parametrize("url", ["ftp://host/", "host", "http://", "http://user:pw@host/", "http://host/#part", "http://host:99999/"])
def test_another_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"not an address|Port out of range"):
        HttpTarget(url)


def test_plain_text_to_a_tls_address_is_an_error() -> None:
    with receiver() as (url, _):
        port = url.split(":")[2].partition("/")[0]
        with pytest.raises(ClientError):
            HttpTarget(f"https://127.0.0.1:{port}/", deadline_s=0.3).exchange("GET", {})


@pytest.mark.parametrize(
    ("content", "mode", "expected"),
    [
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 0o644, "chmod 600"),
        ("whsec_c2hvcnQ=", 0o600, "24 to 64 bytes"),
        ("whsec_!!!!", 0o600, "24 to 64 bytes"),
        ("", 0o600, "24 to 64 bytes"),
    ],
)
def test_a_secret_file_is_refused_by_name(tmp_path: Path, content: str, mode: int, expected: str) -> None:
    path = tmp_path / "hook.secret"
    path.write_text(content, "utf-8")
    path.chmod(mode)
    with pytest.raises(ValueError, match=expected):
        read_secret(path)
    path.chmod(0o600)
    path.write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", "utf-8")
    assert len(read_secret(path)) == 24
