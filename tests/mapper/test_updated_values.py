"""What a value of `on_hand_updated_column` names: which are in the future, and which are certainly past."""

from __future__ import annotations

import datetime as dt
import decimal
import zoneinfo

import pytest
from mapper_newstore_stock.errors import OnHandError
from mapper_newstore_stock.run.clocks import Now
from mapper_newstore_stock.run.updated_values import Times, Watch, as_cursor

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
NOON = dt.datetime(2025, 7, 4, 12, tzinfo=dt.UTC)
SKEW_MS = 120_000


def now(moment: dt.datetime = NOON, zone: dt.tzinfo = dt.UTC) -> Now:
    return Now(int(moment.timestamp() * 1000), moment.astimezone(zone).replace(tzinfo=None))


def naive(hours: float) -> dt.datetime:
    return NOON.replace(tzinfo=None) + dt.timedelta(hours=hours)


@pytest.mark.parametrize(
    ("value", "zone", "there", "is_ahead"),
    [
        (NOON + dt.timedelta(seconds=119), "UTC", dt.UTC, False),
        (NOON + dt.timedelta(seconds=121), "UTC", dt.UTC, True),
        # The same moment, whatever zone it is written in.
        ((NOON + dt.timedelta(seconds=121)).astimezone(BERLIN), "UTC", dt.UTC, True),
        (NOON.astimezone(BERLIN), "UTC", dt.UTC, False),
        (naive(0), "UTC", dt.UTC, False),
        (naive(1), "UTC", dt.UTC, True),
        # In the configured zone, or in that of the database: only what is ahead of both is in the future.
        (naive(2), "Europe/Berlin", dt.UTC, False),
        (naive(2), "UTC", BERLIN, False),
        (naive(3), "UTC", BERLIN, True),
        (naive(3), "Europe/Berlin", dt.UTC, True),
        ("2025-07-04T12:00:00Z", "UTC", dt.UTC, False),
        ("2025-07-04 14:03:00", "Europe/Berlin", dt.UTC, True),
        ("2025-07-04 14:03:00+02:00", "UTC", dt.UTC, True),
        (dt.date(2025, 7, 4), "UTC", dt.UTC, False),
        (dt.date(2025, 7, 5), "UTC", dt.UTC, True),
        ("9999-12-31 23:59:59", "UTC", dt.UTC, True),
        ("2099-13-45", "UTC", dt.UTC, False),
        ("20991231", "UTC", dt.UTC, False),
        (2**62, "UTC", dt.UTC, False),
        (bytes(8), "UTC", dt.UTC, False),
    ],
)
def test_what_is_in_the_future(value: object, zone: str, there: dt.tzinfo, is_ahead: bool) -> None:
    assert Times(zone, SKEW_MS).is_ahead(value, now(zone=there)) is is_ahead
    assert Watch(Times(zone, SKEW_MS), now(zone=there)).sees(value) is is_ahead


def test_no_hour_of_a_year_is_taken_for_the_future_though_clocks_are_changed() -> None:
    for hour in range(2 * 366 * 24):
        moment = dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=30 * hour)
        local = moment.astimezone(BERLIN).replace(tzinfo=None)
        assert not Times("Europe/Berlin").is_ahead(local, now(moment))


def test_the_cursor_stays_below_times_that_come_a_second_time() -> None:
    before = dt.datetime(2025, 10, 26, 0, 59, tzinfo=dt.UTC)
    watch = Watch(Times("Europe/Berlin"), now(before, BERLIN))
    for minutes in range(180, -1, -1):
        watch.sees((before - dt.timedelta(minutes=minutes)).astimezone(BERLIN).replace(tzinfo=None))
    after = (before + dt.timedelta(minutes=2)).astimezone(BERLIN).replace(tzinfo=None)
    assert (watch.past, as_cursor(after)) == ("2025-10-26 01:59:00.000000", "2025-10-26 02:01:00.000000")


def test_only_what_is_older_than_the_skew_is_past() -> None:
    watch = Watch(Times("UTC", SKEW_MS), now())
    for seconds in (300, 121, 119, 0):
        watch.sees(NOON - dt.timedelta(seconds=seconds))
    assert watch.past == as_cursor(NOON - dt.timedelta(seconds=121))
    assert watch.highest == as_cursor(NOON)


def test_a_rowversion_that_may_still_be_written_is_not_past() -> None:
    watch = Watch(Times(), now(), below=12)
    for number in (11, 12, 9, 13):
        watch.sees(number.to_bytes(8, "big"))
    assert (watch.past, watch.highest) == (11, 13)


@pytest.mark.parametrize(
    ("value", "cursor"),
    [
        (7, 7),
        (decimal.Decimal("7.000"), 7),
        ("v7", "v7"),
        (b"\0\0\0\0\0\0\1\0", 256),
        (NOON.astimezone(BERLIN), "2025-07-04 12:00:00.000000+00:00"),
        (dt.date(2025, 7, 4), "2025-07-04"),
        (dt.datetime.min.replace(tzinfo=BERLIN), "0001-01-01 00:00:00.000000+00:53:28"),
    ],
)
def test_a_value_as_the_state_carries_it(value: object, cursor: object) -> None:
    assert as_cursor(value) == cursor


@pytest.mark.parametrize("value", [7.5, True, decimal.Decimal("7.5"), decimal.Decimal("nan"), "7"])
def test_what_has_no_order_is_refused(value: object) -> None:
    watch = Watch(Times(), now(), since=7)
    with pytest.raises(OnHandError, match=r"on_hand_updated_column holds .* must hold"):
        watch.sees(value)
