"""The clock that stamps events jumps by hours (fault F18): receiver and tap as processes, on both databases.

The pure rule is tested in tests/tap/test_settling.py.
"""

from __future__ import annotations

import time
import typing as t

import pytest

from tests.faults.breaking.shifted_clock import MachineClock, ServerClock
from tests.shop.plugin import run_plugin
from tests.shop.process import wait_until
from tests.shop.receiver import Receiver
from tests.tap.events import an_event
from tests.tap.export_files import ExportDirectory, ExportTap, timestamps

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.shop.postgresql import PostgreSql

HOURS = 3600
Clock = MachineClock | ServerClock


def shifted(directory: Path, monkeypatch: pytest.MonkeyPatch) -> MachineClock:
    """Return the clock of every Python process started from now on."""
    clock = MachineClock(directory)
    for name, value in clock.variables.items():
        monkeypatch.setenv(name, value)
    return clock


class Tap:
    """A receiver and a tap on one store, with a clock that can be set."""

    def __init__(self, directory: Path, clock: Clock, url: str) -> None:
        self.clock = clock
        self._directory = directory
        self._url = url
        self._receiver = Receiver(directory, landing_url=url)
        self.close = self._receiver.process.stop
        self._posted: dict[int, float] = {}

    def post(self, *timestamps: int) -> None:
        for at in timestamps:
            assert self._receiver.post(an_event(at, request=f"fr-{at}")).status_code == 200
            self._posted[at] = time.monotonic()

    def released(self, settle_seconds: int = 900) -> list[int]:
        """Run the tap from the start and return the timestamps it releases."""
        settings = {"landing_url": self._url, "settle_seconds": settle_seconds}
        done = run_plugin("tap-newstore-fulfillment", self._directory, settings)
        assert done.code == 0, done.log
        return [record["logical_timestamp"] for record in done.records]

    def assert_all_come_out_in_time(self) -> None:
        """Run with a settle time of two seconds until all are released; none may be released sooner."""

        def all_are_released() -> bool:
            released = self.released(settle_seconds=2)
            now = time.monotonic()
            assert [at for at in released if now - self._posted[at] < 2] == []
            return released == sorted(self._posted)

        wait_until(lambda: time.monotonic() - max(self._posted.values()) >= 2, "the settle time")
        wait_until(all_are_released, "release of all events")


@pytest.fixture(params=["sqlite", "postgresql"])
def tap(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tap]:
    if request.param == "sqlite":
        clock: Clock = shifted(tmp_path, monkeypatch)
        url = f"sqlite:///{tmp_path / 'landing.db'}"
    else:
        server: PostgreSql = request.getfixturevalue("postgresql")
        url = server.new_database()
        clock = ServerClock(url)
    tap = Tap(tmp_path, clock, url)
    yield tap
    tap.close()


@pytest.mark.fault("F18")
def test_f18_a_jump_forward_releases_nothing_early_and_holds_nothing_back(tap: Tap) -> None:
    tap.post(10, 11)
    tap.clock.set(3 * HOURS)
    assert tap.released() == []
    tap.post(12)
    tap.assert_all_come_out_in_time()


@pytest.mark.fault("F18")
def test_f18_a_jump_back_releases_nothing_early_and_holds_nothing_back(tap: Tap) -> None:
    tap.post(10, 11)
    tap.clock.set(-3 * HOURS)
    assert tap.released() == []
    # No higher timestamp arrives that would release the others with it.
    tap.post(9)
    assert tap.released() == []
    tap.assert_all_come_out_in_time()


@pytest.mark.fault("F18")
def test_f18_events_received_while_the_clock_was_wrong_wait_their_time_and_no_longer(tap: Tap) -> None:
    for at, hours in ((10, 3), (11, -3)):
        tap.clock.set(hours * HOURS)
        tap.post(at)
        assert tap.released() == []
        tap.clock.set(0)
        assert tap.released() == []
    tap.assert_all_come_out_in_time()


@pytest.mark.fault("F18")
def test_f18_an_event_from_an_export_file_does_not_age_with_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, exports = shifted(tmp_path, monkeypatch), ExportDirectory(tmp_path / "exports")
    tap = ExportTap(tmp_path, exports.path, settle_seconds=900)
    exports.put("1-data-a.export", an_event(10))
    for hours in (0, 3, -3, 5):
        clock.set(hours * HOURS)
        assert timestamps(tap.run()) == []
