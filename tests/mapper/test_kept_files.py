"""Lists that are kept between runs: what happens to their files, their lines and the clock, and is read alike.

What comes of comparing a list with the last one is what comes of reading all of it.
"""

from __future__ import annotations

import datetime as dt
import errno
import functools
import io
import tempfile
import typing as t
import unittest.mock

import pytest
from mapper_newstore_stock.run import stock_run
from mapper_newstore_stock.run.sources import Sources

from tests.mapper.both_ways import BothWays, messages
from tests.mapper.on_hand_lists import HEADER
from tests.mapper.parquet_files import a_parquet
from tests.mapper.sql_erp import NOON, SKU, SqlErp, a_completion, a_day, at, booked_by

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.mapper.shop_day import Ledgers

pytestmark = pytest.mark.usefixtures("short_lists_are_kept")


@pytest.fixture
def ways(tmp_path: Path, caplog: pytest.LogCaptureFixture, ledgers: tuple[Ledgers, Ledgers]) -> BothWays:
    url = str(tmp_path / "erp.csv")
    return BothWays(tmp_path, caplog, ledgers, on_hand_url=url, max_vanished_percent=100, max_held_percent=100)


@pytest.fixture
def dated(ways: BothWays) -> BothWays:
    """Return both ways of a list whose rows say when they were taken."""
    for day, _ in ways.days:
        day.settings["on_hand_as_of"] = "taken_at"
    return ways


WITH_TEXT = HEADER.replace("quantity", "text,quantity")
WITH_TIME = HEADER.replace("as_of_logical_timestamp", "taken_at")


@pytest.mark.parametrize("is_kept", [True, False])
@pytest.mark.parametrize(
    "lines",
    [
        ('DC01,A,"blue,3,\rDC01,B,green",5,', "DC01,C,red,1,"),
        ('DC01,A,"bl\rue",3,', "DC01,B,green,x,", "DC01,C,red,1,"),
        ("DC01,A,blue,3,\r\r", "DC01,B,green,x,", "DC01,C,red,1,"),
        ("DC01,A,blue,3,", "DC01,B,green,x,", 'DC01,C,"red\r",1,'),
        ("DC01,A,blue,3,", "DC01,B,green,x,", "DC01,C,red,1,\rDC01,D,red,1,"),
    ],
)
def test_a_carriage_return_alone_ends_a_line_within_quotes_too(
    lines: tuple[str, ...], is_kept: bool, ways: BothWays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "erp.csv"
    before = (WITH_TEXT, "DC01,A,blue,3,", "DC01,B,green,5,", "DC01,C,red,1,")
    file.write_text("".join(f"{line}\n" for line in before), encoding="utf-8")
    ways.run()
    if not is_kept:
        full = OSError(errno.ENOSPC, "No space left on device")
        monkeypatch.setattr(tempfile, "NamedTemporaryFile", unittest.mock.Mock(side_effect=full))
    file.write_bytes("".join(f"{line}\n" for line in (WITH_TEXT, *lines)).encode())
    ways.run()
    assert ways.compared == 0


@pytest.mark.parametrize("kind", ["csv", "parquet", "sql"])
def test_a_kept_list_that_cannot_be_read_is_none(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, ledgers: tuple[Ledgers, Ledgers]
) -> None:
    erp, file = SqlErp(tmp_path / "erp.db"), tmp_path / f"erp.{kind}"
    query = "SELECT *, NULL AS as_of_logical_timestamp FROM stock"
    ways = BothWays(
        tmp_path,
        caplog,
        ledgers,
        on_hand_url=erp.url if kind == "sql" else str(file),
        on_hand_query=query if kind == "sql" else None,
    )
    for quantity in (5, 4, 3):
        erp.count(*SKU, quantity)
        a_parquet(tmp_path / "erp.parquet", (*SKU, quantity, None))
        (tmp_path / "erp.csv").write_text(f"{HEADER}\n{SKU[0]},{SKU[1]},{quantity},\n", encoding="utf-8")
        assert ways.run()[0][0][1] == {SKU: quantity}
        kept = t.cast("Path", ways.file)
        kept.unlink()
        # Reading it gives EIO, as from a dying disk.
        kept.symlink_to("/proc/self/mem")
    assert ways.compared == 0


def test_a_list_is_compared_again_after_a_run_that_failed_with_another(ways: BothWays, tmp_path: Path) -> None:
    file = tmp_path / "erp.csv"
    for day, _ in ways.days:
        day.settings["negative_on_hand"] = "fail"
    for quantity in (6, -6, 6, 6, 6):
        file.write_text(f"{HEADER}\nDC01,A,5,\nDC01,B,{quantity},\n", encoding="utf-8")
        ways.run()
    # With the list that failed, and with the last two.
    assert ways.compared == 3


def test_what_a_killed_run_left_of_a_list_is_removed(ways: BothWays, tmp_path: Path) -> None:
    file = tmp_path / "erp.csv"
    file.write_text(f"{HEADER}\nDC01,A,5,\n", encoding="utf-8")
    ways.run()
    kept = t.cast("Path", ways.file)
    left = [kept.with_name(f"{kept.name}-abcd_123"), kept.with_name(f"{kept.name}-9876wxyz")]
    of_another_ledger = kept.with_name(f"newstore-stock-{'0' * 32}.list-{kept.name[-8:]}-abcd_123")
    others = [of_another_ledger, kept.with_name(f"{kept.name}.bak"), kept.with_name(f"{kept.name}-backup.old")]
    for path in (*left, *others):
        path.write_bytes(b"DC01,A,5,\n")
    ways.run()
    assert sorted(kept.parent.iterdir()) == sorted([kept, *others])
    assert ways.compared == 1


@pytest.mark.parametrize("ahead", [3600, -3600])
def test_a_clock_that_is_set_right_may_have_rows_in_the_future(
    ahead: int, dated: BothWays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = NOON + dt.timedelta(seconds=ahead)
    for now, quantity, minutes in ((wrong, 4, -70), (NOON + dt.timedelta(minutes=10), 3, 9)):
        monkeypatch.setattr(stock_run, "Sources", functools.partial(Sources, now=now.timestamp))
        lines = (WITH_TIME, f"DC01,A,10,{wrong.isoformat()}", f"DC01,B,{quantity},{at(minutes)}")
        (tmp_path / "erp.csv").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        said = dated.run()[0]
    assert ("in the future" in said) == (ahead > 0)
    assert dated.compared == (ahead < 0)


class FullDisk(io.FileIO):
    """A file on a disk that is full."""

    def write(self, _bytes: object) -> t.NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_is_full_at_the_last_bytes_means_that_all_is_read(
    tmp_path: Path, database_url: str, erp: SqlErp, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_request = booked_by("fulfillment_request_id", "product_id")
    day = a_day(tmp_path, database_url, erp, cache_dir=str(tmp_path / "lists"), **by_request)
    erp.book(request="fr-11")
    day.run()
    erp.count(*SKU, 9)
    monkeypatch.setattr(
        tempfile, "NamedTemporaryFile", lambda **_: io.BufferedRandom(FullDisk(tmp_path / "full", "w+b"))
    )
    (cut,) = day.run(a_completion(11))
    assert cut.quantities == {SKU: 9}
    assert any("All bookings are read" in text for text in messages(caplog))


def test_a_carriage_return_alone_ends_a_line_of_bookings(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, ledgers: tuple[Ledgers, Ledgers]
) -> None:
    erp, file = SqlErp(tmp_path / "erp.db"), tmp_path / "booked.csv"
    erp.count(*SKU, 9)
    settings: dict[str, t.Any] = {"on_hand_table": "stock", "on_hand_as_of": "booked", "booked_url": str(file)}
    ways = BothWays(tmp_path / "ledgers", caplog, ledgers, on_hand_url=erp.url, **settings)
    for lines in ("order-12,SKU-1,blue\n", 'order-11,SKU-1,"blue,\rorder-12,SKU-1,green"\n'):
        file.write_bytes(f"order_id,product_id,text\n{lines}".encode())
        ways.run(a_completion(11), a_completion(12))
    assert ways.bookings_compared == 0
