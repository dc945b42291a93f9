"""The HTTP server alone: bounds, deadlines and protocol, over real sockets."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.adapters.http_server import BODY_BYTES_MAX, CONNECTIONS_MAX, HEADER_BYTES_MAX, HttpServer, Limits, tls_context
from gateway.core.http import Request, Response
from tests.kit.http import HttpClient

FAST = Limits(request_s=0.2, idle_s=0.2, write_s=0.5)


async def echo(request: Request) -> Response:
    return Response(200, f"{request.method} {request.path} {len(request.body)}".encode(), "text/plain")


@pytest.fixture
def server() -> Iterator[HttpServer]:
    made = HttpServer("127.0.0.1", 0, echo)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def fast() -> Iterator[HttpServer]:
    made = HttpServer("127.0.0.1", 0, echo, limits=FAST)
    made.start()
    yield made
    made.stop()


def test_requests_follow_each_other_on_one_connection(server: HttpServer) -> None:
    with HttpClient(server.port) as client:
        assert client.send("GET", "/a?secret=1").body == b"GET /a 0"
        assert client.send("POST", "/b", b"x" * 5_000).body == b"POST /b 5000"
        assert client.send("HEAD", "/c").body == b""
        assert client.send("GET", "/d").body == b"GET /d 0"


def test_pipelined_and_split_requests_are_read(server: HttpServer) -> None:
    request = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab"
    with HttpClient(server.port) as client:
        for byte in request:
            client.socket.sendall(bytes([byte]))
        found = client.raw(request + request.replace(b"\r\nHost", b"\r\nConnection: close\r\nHost"))
    assert found.count(b"POST /x 2") == 3


def test_a_chunked_body_and_an_expectation_are_read(server: HttpServer) -> None:
    with HttpClient(server.port) as client:
        found = client.raw(b"POST /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        assert found.endswith(b"POST /x 3")
    with HttpClient(server.port) as client:
        client.socket.sendall(b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert client.socket.recv(100).startswith(b"HTTP/1.1 100 ")
        client.socket.sendall(b"ab")
        assert b"POST /x 2" in client.socket.recv(1_000)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -3\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * HEADER_BYTES_MAX, 431),
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: a\r\n" * 5_000, 431),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (BODY_BYTES_MAX + 1), 413),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + b"4000\r\n" + b"a" * 0x4000 + b"\r\n", None),
    ],
)
def test_a_bad_request_is_refused_and_the_connection_closed(server: HttpServer, content: bytes, status: int | None) -> None:
    if status is None:
        chunk = content[content.index(b"4000\r\n") :]
        content, status = content + chunk * 5, 413
    with HttpClient(server.port) as client:
        found = client.raw(content)
    assert found.startswith(b"HTTP/1.1 %d" % status), found[:200]
    assert b"application/problem+json" in found
    assert b"onnection: close" in found


def test_a_dripping_request_has_a_deadline(fast: HttpServer) -> None:
    """Each byte arrives in time, the request does not."""
    with HttpClient(fast.port) as client:
        client.socket.settimeout(0.05)
        client.socket.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nX: ")
        found = b""
        while not found:
            client.socket.sendall(b"a")
            try:
                found = client.socket.recv(1_000)
            except TimeoutError:
                continue
    assert found.startswith(b"HTTP/1.1 408")


def test_an_idle_connection_is_closed_without_a_word(fast: HttpServer) -> None:
    with HttpClient(fast.port) as client:
        assert client.raw(b"") == b""


def test_connections_are_bounded_and_free_again(server: HttpServer) -> None:
    clients = [HttpClient(server.port) for _ in range(CONNECTIONS_MAX)]
    assert all(client.send("GET", "/").status == 200 for client in clients)
    with HttpClient(server.port) as client:
        found = client.raw(b"")
    assert found.startswith(b"HTTP/1.1 503")
    assert b"Retry-After" in found
    assert clients[0].send("GET", "/").status == 200
    for client in clients:
        client.socket.close()


def test_stopping_ends_open_connections(server: HttpServer) -> None:
    with HttpClient(server.port) as client:
        assert client.send("GET", "/").status == 200
        server.stop()
        assert client.socket.recv(10) == b""


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate of localhost, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    day = dt.timedelta(days=1)
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
    signed = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False).sign(key, hashes.SHA256())
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(*pem))
    return paths


def test_tls_answers_and_plain_text_does_not(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    server = HttpServer("127.0.0.1", 0, echo, tls_context(cert, key))
    server.start()
    trusted = ssl.create_default_context(cafile=str(cert))
    with HttpClient(server.port, trusted) as client:
        assert client.send("GET", "/tls").body == b"GET /tls 0"
    with HttpClient(server.port) as client:
        assert not client.raw(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").startswith(b"HTTP/")
    server.stop()


def test_an_address_in_use_is_found_before_the_start(server: HttpServer) -> None:
    with pytest.raises(OSError, match="in use"):
        HttpServer("127.0.0.1", server.port, echo)
