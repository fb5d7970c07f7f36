"""The ERP at its worst, judged by the true shelf (fault F14). Each kind of row alone is tested with the mapper."""

from __future__ import annotations

import typing as t

import pytest

from tests.faults.players.forked_shop import ForkedShop

if t.TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.fault("F14")
def test_f14_rows_ahead_behind_and_without_as_of_at_once_never_oversell_and_end_equal(
    tmp_path: Path, database_url: str
) -> None:
    with ForkedShop(tmp_path, database_url) as shop:
        for product in ("behind", "current", "undated"):
            shop.stock(product, 50)
        products = ("behind", "current", "undated")
        sold: list[int] = []
        for day in range(4):
            sold.append(shop.sell(*products))
            # One is counted before this day's sale, one after it; the undated one is never counted again.
            shop.erp.count("DC01", "behind", 50 - day, as_of=sold[day - 1] if day else None)
            shop.erp.count("DC01", "current", 50 - day - 1, as_of=sold[day])
            assert shop.run().codes == (0, 0, 0)
            shop.assert_in_sync()
        # The ERP knows of a sale whose event has not arrived yet.
        shop.newstore.pause_delivery()
        at = shop.newstore.sell("DC01", *products)
        shop.erp.count("DC01", "current", 45, as_of=at)
        assert shop.run().codes == (0, 0, 0)
        shop.assert_never_oversold()
        shop.newstore.resume_delivery()
        shop.newstore.wait_for_delivery()
        assert shop.run().codes == (0, 0, 0)
        shop.assert_in_sync()


@pytest.mark.fault("F14")
def test_f14_negative_decimal_repeated_and_missing_rows_are_zero_held_or_a_named_error(tmp_path: Path) -> None:
    with ForkedShop(tmp_path, f"sqlite:///{tmp_path / 'database.db'}") as shop:
        shop.stock("A", 5)
        shop.sell("A")
        good = shop.erp.path.read_text(encoding="utf-8")
        shop.erp.path.write_text(good + "DC01,A,5,\n", encoding="utf-8")
        run = shop.run()
        assert run.codes == (0, 1, 0)
        assert "names these keys more than once: DC01/A" in run.log
        shop.erp.path.write_text(good.splitlines()[0] + "\n", encoding="utf-8")
        run = shop.run()
        assert run.codes == (0, 1, 0)
        assert "there is no row in it" in run.log
        assert shop.newstore.imports() == []
        shop.erp.path.write_text(good + "DC01,B,1.5,\n", encoding="utf-8")
        run = shop.run()
        assert run.codes == (0, 0, 0)
        assert "quantity is '1.5', expected a whole number" in run.log
        assert shop.newstore.on_hand("DC01", "A") == 4
        shop.erp.count("DC01", "A", -3)
        assert shop.run().codes == (0, 0, 0)
        assert shop.newstore.on_hand("DC01", "A") == 0


@pytest.mark.fault("F19")
def test_f19_an_event_of_thousands_of_units_is_one_event(tmp_path: Path) -> None:
    with ForkedShop(tmp_path, f"sqlite:///{tmp_path / 'database.db'}") as shop:
        shop.stock("A", 5_000)
        shop.sell(*["A"] * 4_000)
        assert shop.run().codes == (0, 0, 0)
        assert shop.newstore.on_hand("DC01", "A") == 1_000
        shop.assert_in_sync()
