"""Emptying the outbox: batch by batch, apart from everything else, patient with a cloud that is not there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.adapters.cloud import Cloud
from gateway.runtime.mailbox import Mailbox
from gateway.runtime.uplink import UplinkThread
from tests.kit.broker import free_port
from tests.kit.cloud import FakeCloud, Response, receipt
from tests.kit.testbed import HOUR_MS, Gateway, Phone
from tests.kit.waiting import WAIT_S, until


class House:
    """A gateway's store with records that wait, its writer's loop for jobs, and an uplink."""

    def __init__(self, folder: Path, url: str, windows: int = 2) -> None:
        self.gateway = Gateway(folder)
        phone = Phone()
        self.gateway.apply(phone.consent())
        self.gateway.apply(phone.near("scan-cafe"), phone.near("scan-cafe"))
        for _ in range(windows):
            self.gateway.pass_time(HOUR_MS)
        self.records = self.gateway.store.backlog()
        self.mailbox = Mailbox(10)
        self.uplink = UplinkThread("gw-t", Cloud(url, "token"), self.mailbox, self.gateway.clock.now_ms, 3_600.0)
        self.uplink.start()

    def serve(self) -> bool:
        """Run the waiting calls, as the writer does between messages."""
        for call in self.mailbox.take(0, 0.01)[1]:
            call.run(self.gateway.store)
        return True

    def until_sent(self, records: int) -> None:
        until(lambda: self.serve() and self.uplink.taken >= records, describe=lambda: self.uplink.trouble)

    def stop(self) -> None:
        stopper = threading.Thread(target=self.uplink.stop, args=(WAIT_S,))
        stopper.start()
        until(lambda: self.serve() and not stopper.is_alive())


@contextmanager
def house(folder: Path, url: str, windows: int = 2) -> Iterator[House]:
    made = House(folder, url, windows)
    yield made
    made.stop()
    made.mailbox.close()
    made.gateway.close()


def ids(cloud: FakeCloud) -> list[list[str]]:
    return [[record["id"] for record in asked.batch["records"]] for asked in cloud.requests]


def test_what_waits_is_sent_and_deleted(tmp_path: Path) -> None:
    with FakeCloud() as cloud, house(tmp_path, cloud.url) as made:
        made.until_sent(made.records)
        until(lambda: made.serve() and made.gateway.store.backlog() == 0)
        assert made.uplink.taken == made.records > 1
        assert made.uplink.taken_at_ms == made.gateway.clock.now_ms()
        assert made.uplink.trouble == ""
        assert len(cloud.requests) == 1
        assert made.gateway.store.totals()["outbox"] == 0


def test_a_nudge_ends_idleness(tmp_path: Path) -> None:
    with FakeCloud() as cloud, house(tmp_path, cloud.url) as made:
        made.until_sent(made.records)
        made.gateway.pass_time(HOUR_MS)
        fresh = made.gateway.store.backlog()
        assert fresh
        made.uplink.nudge()
        made.until_sent(made.records + fresh)
        assert len(cloud.requests) == 2


def test_a_no_is_followed_by_a_pause_and_the_same_bytes(tmp_path: Path) -> None:
    with FakeCloud(Response(500), Response()) as cloud, house(tmp_path, cloud.url) as made:
        until(lambda: made.serve() and made.uplink.trouble)
        assert "500" in made.uplink.trouble
        made.uplink.nudge()
        made.gateway.clock.advance(1_000)  # the pause is at most a second long; the thread waits it out in real time
        made.until_sent(made.records)
        assert cloud.requests[0].body == cloud.requests[1].body
        assert made.uplink.trouble == ""


@pytest.mark.parametrize("status", [409, 413, 422])
def test_a_batch_that_is_never_taken_does_not_stop_the_next(tmp_path: Path, status: int) -> None:
    with FakeCloud(Response(status), Response()) as cloud, house(tmp_path, cloud.url) as made:
        until(lambda: made.serve() and made.uplink.quarantined)
        assert made.uplink.quarantined == made.records
        made.gateway.pass_time(HOUR_MS)
        fresh = made.gateway.store.backlog()
        made.uplink.nudge()
        made.until_sent(fresh)
        assert not set(ids(cloud)[0]) & set(ids(cloud)[1])
        assert made.gateway.store.totals()["outbox"] == made.records, "set aside, not lost"


def test_part_of_a_batch_may_be_taken_and_the_rest_is_sent_again(tmp_path: Path) -> None:
    with FakeCloud(Response(body=lambda asked: receipt(asked, 1)), Response()) as cloud, house(tmp_path, cloud.url) as made:
        made.until_sent(made.records)
        first, second = ids(cloud)
        assert second == first[1:]


def test_a_cloud_that_says_yes_and_takes_nothing_is_not_asked_without_end(tmp_path: Path) -> None:
    with FakeCloud(Response(body=lambda asked: receipt(asked, 0)), Response()) as cloud, house(tmp_path, cloud.url) as made:
        until(lambda: made.serve() and made.uplink.trouble)
        assert "receipt" in made.uplink.trouble
        assert made.uplink.taken == 0
        assert len(cloud.requests) == 1
        made.gateway.clock.advance(1_000)
        made.until_sent(made.records)
        assert len(cloud.requests) == 2


def test_a_batch_that_the_cloud_will_never_take_is_out_of_the_way_of_the_others(tmp_path: Path) -> None:
    with FakeCloud(Response(422, lambda _asked: b"wrong shape"), Response()) as cloud, house(tmp_path, cloud.url) as made:
        until(lambda: made.serve() and made.uplink.trouble)
        assert "422" in made.uplink.trouble
        until(lambda: made.serve() and made.gateway.store.backlog() == 0)
        made.gateway.pass_time(HOUR_MS)
        fresh = made.gateway.store.backlog()
        assert fresh
        made.gateway.clock.advance(1_000)
        made.uplink.nudge()
        made.until_sent(fresh)
        assert made.gateway.store.totals()["outbox"] == made.records
        made.gateway.store.state(made.gateway.clock.now_ms(), made.gateway.site.presence)  # a new start: another try
        assert made.gateway.store.backlog() == made.records
        made.gateway.clock.advance(1_000)
        made.uplink.nudge()
        made.until_sent(fresh + made.records)
        assert cloud.requests[0].body == cloud.requests[2].body


def test_stopping_sends_what_still_waits(tmp_path: Path) -> None:
    with FakeCloud() as cloud, house(tmp_path, cloud.url) as made:
        made.stop()
        assert made.uplink.taken == made.records
        assert made.gateway.store.backlog() == 0


def test_stopping_does_not_wait_for_a_cloud_that_is_gone(tmp_path: Path) -> None:
    with house(tmp_path, f"http://127.0.0.1:{free_port()}") as made:
        until(lambda: made.serve() and made.uplink.trouble)
        made.stop()
        assert "does not answer" in made.uplink.trouble
        assert made.gateway.store.backlog() == made.records


def test_a_writer_that_is_gone_ends_it(tmp_path: Path) -> None:
    with FakeCloud() as cloud:
        made = House(tmp_path, cloud.url)
        made.mailbox.close()
        made.uplink.nudge()
        until(lambda: not made.uplink._thread.is_alive())
        assert made.gateway.store.backlog() + made.uplink.taken == made.records
        made.gateway.close()


@pytest.mark.parametrize("refusal", [Response(503, lambda _asked: b"", {"Retry-After": "86400"}), Response(429, lambda _asked: b"")])
def test_a_busy_cloud_is_left_alone(tmp_path: Path, refusal: Response) -> None:
    with FakeCloud(refusal) as cloud, house(tmp_path, cloud.url) as made:
        until(lambda: made.serve() and made.uplink.trouble)
        assert made.uplink.trouble == "the cloud is busy"
        for _ in range(5):
            made.uplink.nudge()
            made.serve()
        assert len(cloud.requests) == 1
