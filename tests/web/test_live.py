"""Pages that stay open: an update after each batch, few when much arrives, and an end at the end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from starlette.testclient import TestClient

from dashboard import limits
from dashboard.live import Notifier, open_stream, server_sent
from dashboard.refusals import Refused
from dashboard.settings import Settings
from tests.web.seed import batch, bearer, hours, packed
from tests.web.server import LiveServer


def updates(response: httpx.Response) -> Iterator[str]:
    """The data of each server-sent message."""
    lines: list[str] = []
    for line in response.iter_lines():
        if line.startswith("data: "):
            lines.append(line.removeprefix("data: "))
        elif not line and lines:
            yield "\n".join(lines)
            lines = []


def test_an_open_page_is_updated_by_a_batch(settings: Settings) -> None:
    with LiveServer(settings) as server, httpx.stream("GET", f"{server.address}/live", timeout=30, cookies=server.cookies) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        found = updates(stream)
        assert "No data yet" in next(found)
        for number, headline in (
            (1, "10 ±\N{NO-BREAK SPACE}1</strong> offers sent"),
            (2, "1,010 ±\N{NO-BREAK SPACE}1</strong> offers sent"),
        ):
            body = batch(f"b{number}", [hours(f"r{number}", {"plaza": 10 if number == 1 else 1_000}, window=number)])
            assert httpx.post(f"{server.address}/v1/batches", content=packed(body), headers=bearer()).status_code == 200
            assert headline in next(update for update in found if "No data" not in update)


def test_the_stream_sends_what_the_page_shows(settings: Settings) -> None:
    with LiveServer(settings) as server:
        body = batch("b1", [hours("r1", {"plaza": 12})])
        httpx.post(f"{server.address}/v1/batches", content=packed(body), headers=bearer())
        page = httpx.get(f"{server.address}/gateways/gw-a?span=all", cookies=server.cookies).text
        with httpx.stream("GET", f"{server.address}/live?span=all&gateway=gw-a", timeout=30, cookies=server.cookies) as stream:
            assert next(updates(stream)) in page


def test_a_server_that_ends_ends_its_streams(settings: Settings) -> None:
    with LiveServer(settings) as server, httpx.stream("GET", f"{server.address}/live", timeout=30, cookies=server.cookies) as stream:
        found = updates(stream)
        assert next(found)
        server.stop()
        assert list(found) == []  # the end of the stream, not a broken one: httpx would raise


async def collect(stream: AsyncIterator[str], notifier: Notifier, counts: list[int]) -> list[str]:
    """Messages of a stream that is notified `counts[i]` times after message i, and then closed."""
    heard = [await anext(stream)]
    for count in counts:
        heard.append(await anext(stream))
        for _ in range(count):
            notifier.notify()
    notifier.close()
    return heard + [message async for message in stream]


def test_many_notifications_between_two_updates_are_one_update() -> None:
    rendered: list[str] = []

    def render() -> str:
        rendered.append(f"page {len(rendered)}")
        return rendered[-1]

    notifier = Notifier()
    heard = asyncio.run(collect(open_stream(notifier, render, 60.0, 0.0, "desk"), notifier, [1_000, 1_000, 0]))
    assert heard == ["retry: 2000\n\n", "data: page 0\n\n", "data: page 1\n\n", "data: page 2\n\n"]
    assert notifier.readers.total() == 0


def test_an_update_without_news_is_a_comment() -> None:
    notifier = Notifier()
    heard = asyncio.run(collect(open_stream(notifier, lambda: "same", 60.0, 0.0, "desk"), notifier, [1, 1, 0]))
    assert heard[1:] == ["data: same\n\n", ": nothing new\n\n", ": nothing new\n\n"]


def test_every_line_of_a_message_is_data() -> None:
    assert server_sent("<p>\n\ndata: x\r\n</p>") == "data: <p>\ndata: \ndata: data: x\ndata: </p>\n\n"


def test_open_pages_are_bounded(client: TestClient) -> None:
    notifier = client.app.state.notifier  # type: ignore[attr-defined]
    for readers in ({"other": limits.READERS_MAX}, {"admin": limits.READERS_PER_ACCOUNT_MAX}):
        notifier.readers = Counter(readers)
        answer = client.get("/live")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    notifier.close()
    notifier.readers = Counter()
    with pytest.raises(Refused):
        open_stream(notifier, str, 1.0, 0.0, "desk")
