"""The receiver for an hour as a shop's front has it.

Events, a crowd of idle and slow connections, a scraper, backups of its SQLite store, a run every minute: memory, open
files and the write-ahead log stay where they were.

MINUTES_OF_LOAD says how long (`make soak`: an hour, with 5,000 idle connections and 200 slow ones).
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import sqlite3
import statistics
import threading
import time
import typing as t
from pathlib import Path

import pytest
import requests

from tests.benchmarks.http_load import post
from tests.faults.players.crowd import Crowd
from tests.faults.reports.reporting import LINE
from tests.shop.pipeline import Pipeline
from tests.shop.process import wait_until
from tests.shop.raw_http import post_request
from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MINUTES = float(os.environ.get("MINUTES_OF_LOAD", "0.25"))
IDLE, SLOW = (5000, 200) if MINUTES > 1 else (300, 20)
PER_SECOND, CONNECTIONS = 50, 8
SECONDS_BETWEEN_SCRAPES, PAUSE_SECONDS = 5.0, min(60.0, MINUTES * 60 / 5)
#: Beside what it was after the first fifth: buffers that grow once.
MORE_MB, MORE_FILES, MOST_LOG_MB = 16, 40, 64
MOST_P99_SECONDS = 1.0


class Size(t.NamedTuple):
    """How large the receiver is: millions of bytes in memory, open files, millions of bytes of write-ahead log."""

    memory: float
    files: int
    log: float


def size_of(pid: int, directory: Path) -> Size:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    memory = int(status.partition("VmRSS:")[2].split()[0]) / 1000
    log = directory / "landing.db-wal"
    return Size(memory, len(list(Path(f"/proc/{pid}/fd").iterdir())), log.stat().st_size / 1e6 if log.exists() else 0.0)


def highest(sizes: Sequence[Size]) -> Size:
    return Size(max(one.memory for one in sizes), max(one.files for one in sizes), max(one.log for one in sizes))


@contextlib.contextmanager
def beside(work: t.Callable[[], object], seconds: float) -> Iterator[list[BaseException]]:
    """Do something again and again while the block runs; yield what went wrong."""
    ended, wrong = threading.Event(), list[BaseException]()

    def go_on() -> None:
        while not ended.wait(seconds):
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - told by the caller
                wrong.append(error)

    thread = threading.Thread(target=go_on)
    thread.start()
    yield wrong
    ended.set()
    thread.join()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the size of a process is read from /proc")
@pytest.mark.fault("F22")
def test_nothing_grows_in_hours_of_load(tmp_path: Path, record_property: t.Callable[[str, object], None]) -> None:
    latencies, sizes = list[float](), list[Size]()
    timestamps, chance = itertools.count(1), random.Random(0)
    with Pipeline(tmp_path, delivers=False) as shop:
        shop.newstore.add_location("DC01")
        for number in range(200):
            shop.erp.count_later("DC01", f"SKU-{number:03}", 10_000)
        shop.stock("DC01", "SKU-000", 10_000)
        pid, url = shop.receiver.process.pid, shop.receiver.url
        address = url.removeprefix("http://").split(":")[0], int(url.rpartition(":")[2])

        def event() -> bytes:
            at = next(timestamps)
            return post_request(
                json.dumps(an_event(at, f"SKU-{chance.randrange(200):03}", request=f"fr-{at}")).encode()
            )

        def back_up() -> None:
            with (
                contextlib.closing(sqlite3.connect(tmp_path / "landing.db")) as source,
                contextlib.closing(sqlite3.connect(tmp_path / "backup.db")) as target,
            ):
                source.backup(target)

        def scrape() -> None:
            assert requests.get(f"{url}/metrics", timeout=10).status_code == 200

        def run() -> None:
            assert shop.run().codes == (0, 0, 0), shop.log

        with (
            Crowd(url, idle=IDLE, slow=SLOW) as crowd,
            beside(scrape, SECONDS_BETWEEN_SCRAPES) as scrapes,
            beside(back_up, PAUSE_SECONDS) as backups,
            beside(run, PAUSE_SECONDS) as runs,
        ):
            wait_until(lambda: crowd.open >= (IDLE + SLOW) * 0.9, "a crowd")
            ends = time.monotonic() + MINUTES * 60
            while time.monotonic() < ends:
                burst = [event() for _ in range(PER_SECOND)]
                latencies += post(address, burst, connections=CONNECTIONS, per_second=PER_SECOND)
                sizes.append(size_of(pid, tmp_path))
        assert not [*scrapes, *backups, *runs]
        assert crowd.opened >= IDLE + SLOW
        run()
    first, rest = sizes[: len(sizes) // 5], sizes[len(sizes) // 5 :]
    most, later = highest(first), highest(rest)
    p99 = statistics.quantiles(latencies, n=100)[98]
    record_property(
        LINE,
        f"receiver for {MINUTES:g} minutes, {len(latencies):,} events, {IDLE} idle and {SLOW} slow connections: p99 "
        f"{p99 * 1000:.1f} ms; memory, open files, write-ahead log in MB: at most {most} at first, then {later}",
    )
    assert later.memory <= most.memory + MORE_MB
    assert later.files <= most.files + MORE_FILES
    assert later.log <= MOST_LOG_MB
    assert p99 <= MOST_P99_SECONDS


def test_a_receiver_that_grows_is_seen(tmp_path: Path) -> None:
    """The figures are of the process asked for."""
    before = size_of(os.getpid(), tmp_path)
    (tmp_path / "landing.db-wal").write_bytes(bytes(5_000_000))
    held = bytearray(b"x" * 50_000_000)
    with contextlib.ExitStack() as opened:
        for number in range(30):
            opened.enter_context((tmp_path / str(number)).open("w"))
        now = size_of(os.getpid(), tmp_path)
    assert held
    assert (now.memory > before.memory + 30, now.files >= before.files + 30, now.log) == (True, True, 5.0)
