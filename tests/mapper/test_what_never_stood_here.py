"""Completions that never stood on this shelf (design rule 17): historical orders, and what every number contains."""

from __future__ import annotations

import typing as t

import pytest
from mapper_newstore_stock.errors import ConfigurationError, OnHandError, QuantityError

from tests.mapper.shop_day import ShopDay, completed
from tests.shop.plugin import run_plugin

if t.TYPE_CHECKING:
    from pathlib import Path

SKU, OLD = ("DC01", "SKU-1"), "2019-05-01T10:00:00Z"
GO_LIVE = "2025-03-01T00:00:00Z"


def historical(at: int, *products: str, node: str = "DC01") -> dict[str, t.Any]:
    """Return the completion of an order that was shipped years ago and loaded today."""
    items = [
        {"id": f"{at}-{n}", "product_id": name, "shipped_at": OLD} for n, name in enumerate(products or ("SKU-1",))
    ]
    return completed(at, node=node, items=items)


@pytest.fixture
def day(tmp_path: Path, database_url: str) -> ShopDay:
    day = ShopDay(tmp_path, ledger_url=database_url, ignore_shipped_before=GO_LIVE)
    day.erp.count(*SKU, 7)
    return day


@pytest.mark.fault("F39")
def test_a_historical_order_changes_no_number_and_its_timestamp_is_in_the_range(day: ShopDay) -> None:
    (cut,) = day.run(historical(11), completed(12), historical(13))
    assert (cut.quantities, cut.range) == ({SKU: 6}, (11, 13))


def test_it_needs_no_row(day: ShopDay) -> None:
    (cut,) = day.run(historical(11, "GONE"), completed(12))
    assert (cut.quantities, cut.range) == ({SKU: 6}, (11, 12))


def test_alone_it_waits_for_a_cut_that_has_a_row(day: ShopDay) -> None:
    day.run()
    assert day.run(historical(11, "GONE")) == []
    (cut,) = day.run(completed(12))
    assert (cut.quantities, cut.range) == ({SKU: 6}, (11, 12))


def test_only_the_items_that_were_shipped_before_are_left_out(day: ShopDay) -> None:
    items = [{"id": "1", "product_id": "SKU-1", "shipped_at": OLD}, {"id": "2", "product_id": "SKU-1"}]
    (cut,) = day.run(completed(11, items=items))
    assert cut.quantities == {SKU: 6}


@pytest.mark.parametrize(
    "shipped_at", [1556704800000, 2**70, True, ["x"], {"at": OLD}, "", "yesterday", "\0"], ids=repr
)
def test_a_time_of_shipping_that_is_no_moment_says_nothing(day: ShopDay, shipped_at: object) -> None:
    odd = completed(11, items=[{"id": "1", "product_id": "SKU-1", "shipped_at": shipped_at}])
    (cut,) = day.run(odd, completed(12))
    assert (cut.quantities, cut.range) == ({SKU: 5}, (11, 12))


@pytest.mark.parametrize(
    ("shipped_at", "left"),
    [("2025-02-28T11:59:00", 7), ("2025-02-28T12:01:00", 6), ("2025-02-27", 7), ("2025-02-28", 6)],
)
def test_a_time_of_shipping_without_a_zone_is_as_late_as_it_may_be(day: ShopDay, shipped_at: str, left: int) -> None:
    (cut,) = day.run(completed(11, items=[{"id": "1", "product_id": "SKU-1", "shipped_at": shipped_at}]))
    assert cut.quantities == {SKU: left}


def test_a_completion_of_today_needs_a_row(day: ShopDay) -> None:
    day.settings["held_keys"] = "fail"
    with pytest.raises(QuantityError, match="no on-hand row for keys with completed units: DC01/NEW"):
        day.run(historical(11, "GONE"), completed(12, "NEW"))


def test_parts_of_a_split_run_cover_them_too(day: ShopDay) -> None:
    day.settings["max_cut_items"] = 1
    day.erp.count("DC01", "SKU-2", 5)
    cuts = day.run(
        historical(10, "GONE"), completed(11), historical(12, "GONE"), completed(13, "SKU-2"), historical(14, "GONE")
    )
    assert [(cut.quantities, cut.range) for cut in cuts] == [({SKU: 6}, (10, 12)), ({("DC01", "SKU-2"): 4}, (13, 14))]


def test_in_the_other_direction_they_are_left_out(tmp_path: Path) -> None:
    messages = [
        {
            "type": "SCHEMA",
            "stream": "fulfillment_events",
            "schema": {"properties": {}},
            "key_properties": ["event_id"],
        },
        *({"type": "RECORD", "stream": "fulfillment_events", "record": r} for r in (historical(11), completed(12))),
        {"type": "STATE", "value": {}},
    ]
    done = run_plugin(
        "mapper-newstore-stock",
        tmp_path,
        {"output": "allocations", "ignore_shipped_before": GO_LIVE},
        messages=messages,
    )
    assert done.code == 0, done.log
    assert [record["logical_timestamp"] for record in done.records] == [12]


def test_a_time_that_is_none_is_bad_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ignore_shipped_before: 'go-live': expected a time"):
        ShopDay(tmp_path, ignore_shipped_before="go-live").run()


class TestContainedThrough:
    """What every number contains: the documented first run."""

    @pytest.fixture
    def day(self, tmp_path: Path, database_url: str) -> ShopDay:
        day = ShopDay(tmp_path, ledger_url=database_url, contained_through=3)
        day.erp.count(*SKU, 7)
        return day

    def test_the_first_range_covers_what_nobody_was_told_of(self, day: ShopDay) -> None:
        # 1 to 3 were shipped before the receiver was there, and the number was taken; then 4 is shipped.
        (cut,) = day.run(completed(4))
        assert (cut.quantities, cut.range) == ({SKU: 6}, (0, 4))
        (cut,) = day.run(completed(5))
        assert (cut.quantities, cut.range) == ({SKU: 5}, (5, 5))

    def test_known_completions_up_to_it_are_in_the_number(self, day: ShopDay) -> None:
        (cut,) = day.run(completed(2), completed(3), completed(4))
        assert (cut.quantities, cut.range) == ({SKU: 6}, (0, 4))

    def test_it_is_declared_without_any_event(self, day: ShopDay) -> None:
        (cut,) = day.run()
        assert (cut.quantities, cut.range) == ({SKU: 7}, (0, 3))
        assert day.run() == []

    def test_it_is_declared_again_until_newstore_has_it(self, day: ShopDay) -> None:
        day.run(acknowledge=0)
        (cut,) = day.run()
        assert cut.range == (0, 3)

    def test_a_key_without_a_row_needs_none_for_what_lies_below(self, day: ShopDay) -> None:
        (cut,) = day.run(completed(2, "GONE"), completed(4))
        assert (cut.quantities, cut.range) == ({SKU: 6}, (0, 4))

    def test_it_is_declared_once_all_parts_of_a_first_run_are_there(self, day: ShopDay) -> None:
        day.settings.update(max_cut_items=1, contained_through=20)
        other = ("DC01", "SKU-2")
        day.erp.count(*other, 5)
        cuts = day.run(completed(11), completed(15, "SKU-2"), completed(22, "SKU-2"))
        assert [(cut.quantities, cut.range) for cut in cuts] == [
            ({SKU: 7}, (11, 11)),
            ({other: 4}, (15, 22)),
            # A range may count for the whole tenant, or for the keys in its file alone.
            ({SKU: 7}, (0, 20)),
            ({other: 4}, (0, 20)),
        ]
        assert day.run() == []

    def test_no_more_is_declared_while_keys_without_events_are_on_their_way(self, day: ShopDay) -> None:
        for number in (2, 3, 4):
            day.erp.count("DC01", f"SKU-{number}", number)
        day.settings.update(max_cut_items=3)
        cuts = day.run(completed(4))
        assert [(len(cut.quantities), cut.range) for cut in cuts] == [(3, (4, 4)), (1, None), (3, (0, 3)), (1, (0, 3))]
        assert [cut.quantities for cut in cuts[2:]] == [cut.quantities for cut in cuts[:2]]
        assert cuts[-1].state["bookmarks"]["stock"]["replication_key_value"] == 4
        (cut,) = day.run(completed(5))
        assert (cut.quantities, cut.range) == ({SKU: 5}, (5, 5))

    @pytest.mark.parametrize("most", [1, 100])
    def test_below_all_timestamps_there_is_nothing_to_declare(self, day: ShopDay, most: int) -> None:
        day.erp.count("DC01", "SKU-2", 2)
        day.settings.update(max_cut_items=most, contained_through=-1)
        cuts = day.run(completed(4))
        assert [cut.range for cut in cuts] == [(4, 4), None][: len(cuts)]
        assert day.run() == []

    @pytest.mark.parametrize("acknowledge", [0, 1, 2, 3])
    def test_parts_newstore_lacks_are_repeated(self, day: ShopDay, acknowledge: int) -> None:
        keys = {SKU: 6, ("DC01", "SKU-2"): 2}
        day.erp.count("DC01", "SKU-2", 2)
        day.settings.update(max_cut_items=1)
        assert len(day.run(completed(4), acknowledge=acknowledge)) == 4
        cuts = day.run()
        begun = [cut for cut in cuts if cut.range == (0, 3)]
        assert {key: number for cut in begun for key, number in cut.quantities.items()}.items() <= keys.items()
        has = {key for cut in begun for key in cut.quantities}
        assert has == (set(keys) if acknowledge < 3 else {("DC01", "SKU-2")})
        assert cuts[-1].range == (0, 3)
        assert day.run() == []


class TestContainedThroughBelowWhatNoRangeMayCover:
    """The first range begins before all completions, and ends before one that must not be covered (rules 13 and 18)."""

    @pytest.fixture
    def day(self, tmp_path: Path, database_url: str) -> ShopDay:
        day = ShopDay(tmp_path, ledger_url=database_url, contained_through=20)
        day.erp.count(*SKU, 30)
        return day

    @pytest.fixture(params=["held", "refused", "ignored"])
    def barred(self, request: pytest.FixtureRequest, day: ShopDay) -> list[dict[str, t.Any]]:
        """Return what comes of 22: a completion whose key has no row or is ignored, or nothing and a hole."""
        if request.param == "refused":
            bookmark = {"replication_key_value": 30, "position": 9, "store_id": "store", "complete": True}
            day.bookmark = {**bookmark, "holes": [[18, 22]]}
            return []
        if request.param == "ignored":
            day.settings.update(claim_ignored=False, ignored_products=["NEW"])
        return [completed(22, "NEW")]

    @pytest.mark.parametrize("below", [[], [10], [10, 20]])
    def test_it_is_not_covered(self, day: ShopDay, barred: list[dict[str, t.Any]], below: list[int]) -> None:
        known = [completed(at) for at in below]
        cuts = day.run(*known, *barred, completed(25))
        assert [(cut.quantities, cut.range) for cut in cuts] == [({SKU: 29}, (0, 20)), ({SKU: 29}, (25, 25))]
        assert day.run() == []
        (cut,) = day.run(completed(31))
        assert (cut.quantities, cut.range) == ({SKU: 28}, (31, 31))

    def test_all_keys_go_with_the_beginning(self, day: ShopDay, barred: list[dict[str, t.Any]]) -> None:
        day.erp.count("DC01", "SKU-2", 5)
        cuts = day.run(completed(10), *barred, completed(25))
        everything = {SKU: 29, ("DC01", "SKU-2"): 5}
        assert [(cut.quantities, cut.range) for cut in cuts] == [(everything, (0, 20)), ({SKU: 29}, (25, 25))]

    def test_nor_where_the_run_is_split(self, day: ShopDay, barred: list[dict[str, t.Any]]) -> None:
        day.settings["max_cut_items"] = 1
        day.erp.count("DC01", "SKU-2", 5)
        completions = [completed(11), completed(15, "SKU-2"), completed(23), completed(24, "SKU-2")]
        cuts = day.run(*completions, *barred)
        assert [cut.range for cut in cuts] == [(11, 11), (15, 15), (23, 23), (24, 24), *[(0, 20)] * 4]

    @pytest.mark.parametrize("oldest", [22, 25])
    def test_nor_does_it_reach_over_what_the_tap_leaves_out(self, day: ShopDay, oldest: int) -> None:
        bookmark = {"replication_key_value": 30, "position": 9, "store_id": "store", "complete": True}
        day.bookmark = {**bookmark, "start_logical_timestamp": oldest}
        # 21 was shipped, and the numbers do not contain it; the tap does not send it.
        cuts = day.run(completed(25))
        assert [(cut.quantities, cut.range) for cut in cuts] == [({SKU: 29}, (0, 20)), ({SKU: 29}, (25, 25))]

    def test_what_shares_an_event_with_something_ignored_counts_once(self, day: ShopDay) -> None:
        day.settings.update(claim_ignored=False, ignored_products=["NEW"])
        (cut,) = day.run(completed(5, "SKU-1", "NEW"), completed(25))
        assert (cut.quantities, cut.range) == ({SKU: 29}, (0, 25))
        (cut,) = day.run(completed(26))
        assert (cut.quantities, cut.range) == ({SKU: 28}, (26, 26))


class TestContainedThroughOnARunningLedger:
    """The setting comes, changes or goes while the ledger has numbers of its own (form `column`, from a file)."""

    @pytest.fixture
    def day(self, tmp_path: Path, database_url: str) -> ShopDay:
        day = ShopDay(tmp_path, ledger_url=database_url)
        for product in ("SKU-1", "SKU-2", "SKU-3"):
            day.erp.count_later("DC01", product, 10)
        day.erp.count("DC01", "SKU-3", 10)
        # The file says of no completion that it is in a number; those up to 12 are.
        day.run(completed(11), completed(12, "SKU-2"), completed(13, "SKU-2"))
        return day

    def test_set_it_sends_every_key_it_affects_and_no_other(self, day: ShopDay) -> None:
        day.settings["contained_through"] = 12
        (cut,) = day.run()
        assert (cut.quantities, cut.range) == ({SKU: 10, ("DC01", "SKU-2"): 9}, (0, 12))
        assert day.run() == []

    def test_raised_it_sends_what_it_then_contains(self, day: ShopDay) -> None:
        day.settings["contained_through"] = 11
        (cut,) = day.run()
        assert (cut.quantities, cut.range) == ({SKU: 10}, (0, 11))
        day.settings["contained_through"] = 13
        (cut,) = day.run()
        assert (cut.quantities, cut.range) == ({("DC01", "SKU-2"): 10}, None)

    @pytest.mark.parametrize("through", [11, None])
    def test_lowered_or_taken_away_it_sends_what_it_no_longer_contains(self, day: ShopDay, through: int | None) -> None:
        day.settings["contained_through"] = 13
        day.run()
        day.settings["contained_through"] = through
        (cut,) = day.run()
        assert cut.quantities == {("DC01", "SKU-2"): 8} | ({SKU: 9} if through is None else {})

    def test_a_run_that_is_not_imported_is_repeated(self, day: ShopDay) -> None:
        day.settings["contained_through"] = 12
        day.run(acknowledge=0)
        (cut,) = day.run()
        assert (cut.quantities, cut.range) == ({SKU: 10, ("DC01", "SKU-2"): 9}, (0, 12))

    def test_what_it_contains_is_folded_and_the_rows_need_not_say_so(self, day: ShopDay) -> None:
        day.settings.update(contained_through=12, ledger_keep_days=0)
        day.run()
        for _ in range(2):
            assert day.run() == []
        (cut,) = day.run(completed(14))
        assert (cut.quantities, cut.range) == ({SKU: 9}, (14, 14))

    def test_taken_away_after_that_it_is_refused(self, day: ShopDay) -> None:
        day.settings.update(contained_through=12, ledger_keep_days=0)
        day.run()
        day.run()
        del day.settings["contained_through"]
        with pytest.raises(OnHandError, match=r"fewer completions than before.*DC01/SKU-1, DC01/SKU-2"):
            day.run()


def test_who_lets_the_tap_begin_in_the_middle_is_led_to_contained_through(
    tmp_path: Path, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    day = ShopDay(tmp_path, ledger_url=database_url)
    day.erp.count(*SKU, 7)
    day.bookmark = {
        "replication_key_value": 4,
        "position": 1,
        "store_id": "store",
        "complete": True,
        "start_logical_timestamp": 4,
    }
    day.run(completed(4))
    assert "set contained_through to 3" in caplog.text
    caplog.clear()
    day.settings["contained_through"] = 3
    day.run()
    assert "contained_through" not in caplog.text
