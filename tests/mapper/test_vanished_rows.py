"""Rows that are no longer in the ERP's list (design rules 12 and 13)."""

from __future__ import annotations

import typing as t

import pytest
from mapper_newstore_stock.errors import OnHandError

from tests.mapper.shop_day import ShopDay, completed
from tests.mapper.test_held_keys import held

if t.TYPE_CHECKING:
    from pathlib import Path

A, B = ("DC01", "A"), ("DC01", "B")


@pytest.fixture
def day(tmp_path: Path, database_url: str) -> ShopDay:
    day = ShopDay(tmp_path, ledger_url=database_url, max_vanished_percent=50)
    day.erp.count(*A, 10)
    day.erp.count(*B, 20)
    day.run()
    return day


@pytest.mark.fault("F24")
def test_a_list_that_is_much_shorter_than_the_last_one_is_refused(day: ShopDay) -> None:
    day.settings["max_vanished_percent"] = 5
    day.erp.remove(*B)
    with pytest.raises(OnHandError, match=r"the on-hand list has 1 rows, the last one had 2: more than max_vanished"):
        day.run()
    day.erp.count(*B, 21)
    (cut,) = day.run()
    assert cut.quantities == {B: 21}


@pytest.mark.fault("F24")
def test_an_empty_list_is_refused_whatever_is_set(day: ShopDay) -> None:
    day.settings["max_vanished_percent"] = 100
    day.erp.replace({})
    with pytest.raises(OnHandError, match="empty"):
        day.run()


def test_a_vanished_key_is_sent_as_0_and_named(day: ShopDay, caplog: pytest.LogCaptureFixture) -> None:
    day.erp.remove(*B)
    (cut,) = day.run()
    assert cut.quantities == {B: 0}
    assert "the on-hand list no longer has 1 keys: DC01/B; 0 is sent for them (vanished_rows: zero)" in caplog.text
    assert held(day) == [("B", "vanished", "no longer in the on-hand list")]
    assert day.run() == []


def test_completions_of_a_vanished_key_are_covered_and_0_stays(day: ShopDay) -> None:
    day.erp.remove(*B)
    (cut,) = day.run(completed(10, "B"))
    assert (cut.quantities, cut.range) == ({B: 0}, (10, 10))


def test_a_row_that_comes_back_counts_again(day: ShopDay) -> None:
    day.erp.remove(*B)
    day.run(completed(10, "B"))
    day.erp.count(*B, 20)
    (cut,) = day.run()
    assert cut.quantities == {B: 19}
    assert held(day) == []


@pytest.mark.parametrize("policy", ["zero", "keep"])
def test_a_vanished_key_is_not_back_before_its_row_can_be_read(day: ShopDay, policy: str) -> None:
    day.settings["vanished_rows"] = policy
    day.erp.remove(*B)
    day.run()
    day.erp.count(*B, "many")
    assert day.run() == []
    (cut,) = day.run(completed(10, "B"))
    assert cut.quantities == {B: 0 if policy == "zero" else 19}
    day.erp.count(*B, 7, 10)
    (cut,) = day.run()
    assert cut.quantities == {B: 7}


@pytest.mark.parametrize("policy", ["zero", "keep"])
@pytest.mark.parametrize("before", ["zero", "keep"])
def test_a_vanished_key_whose_row_cannot_be_read_is_noticed_once(
    day: ShopDay, caplog: pytest.LogCaptureFixture, before: str, policy: str
) -> None:
    day.settings["vanished_rows"] = before
    day.erp.remove(*B)
    day.run()
    day.settings["vanished_rows"] = policy
    day.erp.count(*B, "many")
    for _ in range(2):
        caplog.clear()
        day.run()
        ((product, kind, reason),) = held(day)
        assert (product, kind) == ("B", "vanished" if policy == "zero" else "stale")
        assert reason.endswith("quantity is 'many', expected a whole number")
        stands = "it has vanished before, and 0 is sent for it" if policy == "zero" else "its last row stands"
        assert f"{reason}; {stands}" in caplog.text


def test_a_row_that_is_kept_stands_and_completions_go_on_being_subtracted(day: ShopDay) -> None:
    day.settings["vanished_rows"] = "keep"
    day.erp.remove(*B)
    assert day.run() == []
    (cut,) = day.run(completed(10, "B"))
    assert (cut.quantities, cut.range) == ({B: 19}, (10, 10))
    assert held(day) == [("B", "stale", "no longer in the on-hand list")]


@pytest.mark.parametrize(("before", "after"), [("keep", "zero"), ("zero", "keep")])
def test_another_policy_counts_for_keys_that_have_vanished_before(
    day: ShopDay, caplog: pytest.LogCaptureFixture, before: str, after: str
) -> None:
    day.settings["vanished_rows"] = before
    day.run(completed(9, "B"))
    day.erp.remove(*B)
    cuts = day.run()
    assert [cut.quantities for cut in cuts] == ([{B: 0}] if before == "zero" else [])
    day.erp.count(*A, 11)
    day.run()
    assert "as vanished_rows says now" not in caplog.text
    day.settings["vanished_rows"] = after
    meant = {B: 0 if after == "zero" else 19}
    assert [cut.quantities for cut in day.run(acknowledge=0)] == [meant]
    assert "1 keys that had vanished before are sent as vanished_rows says now: DC01/B" in caplog.text
    # The number goes out until NewStore has it, and then no more.
    assert [cut.quantities for cut in day.run()] == [meant]
    caplog.clear()
    assert day.run() == []
    assert "as vanished_rows says now" not in caplog.text
    assert held(day) == [("B", "vanished" if after == "zero" else "stale", "no longer in the on-hand list")]


def test_another_policy_that_leaves_the_number_sends_nothing(day: ShopDay, caplog: pytest.LogCaptureFixture) -> None:
    day.settings["vanished_rows"] = "keep"
    day.run(*(completed(at, "B") for at in range(10, 30)))
    day.erp.remove(*B)
    for policy in ("zero", "keep", "fail"):
        day.settings["vanished_rows"] = policy
        assert day.run() == []
    assert "as vanished_rows says now" not in caplog.text


@pytest.mark.parametrize("policy", ["zero", "keep"])
def test_with_fail_what_vanished_before_stays_as_it_was_sent(day: ShopDay, policy: str) -> None:
    day.settings["vanished_rows"] = policy
    day.erp.remove(*B)
    day.run()
    day.settings["vanished_rows"] = "fail"
    assert day.run() == []
    (cut,) = day.run(completed(10, "B"))
    assert (cut.quantities, cut.range) == ({B: 0 if policy == "zero" else 19}, (10, 10))
    assert held(day) == [("B", "vanished" if policy == "zero" else "stale", "no longer in the on-hand list")]


def test_a_vanished_row_can_stop_the_run(day: ShopDay) -> None:
    day.settings["vanished_rows"] = "fail"
    day.erp.remove(*B)
    for _ in range(2):
        with pytest.raises(OnHandError, match=r"no longer has 1 keys: DC01/B\. Nothing was sent"):
            day.run()


def test_a_product_that_gets_another_name_is_not_promised_twice(day: ShopDay) -> None:
    day.erp.replace({A: (10, None), ("DC01", "NEW"): (20, None)})
    (cut,) = day.run()
    assert cut.quantities == {B: 0, ("DC01", "NEW"): 20}


def test_an_ignored_key_keeps_its_number_and_comes_back(day: ShopDay) -> None:
    day.settings["ignored_products"] = ["B"]
    assert day.run() == []
    assert held(day) == []
    day.settings["ignored_products"] = []
    day.erp.count(*B, 15)
    (cut,) = day.run()
    assert cut.quantities == {B: 15}


@pytest.mark.fault("F27")
@pytest.mark.parametrize("absence", ["vanishes", "is ignored", "changes"])
def test_a_late_unit_stays_late_when_its_row_comes_back_as_it_was(day: ShopDay, absence: str) -> None:
    day.run(completed(10, "B"), completed(14, "B"))
    day.erp.count(*B, 18, as_of=14)
    day.run()
    (cut,) = day.run(completed(12, "B"))
    assert cut.quantities == {B: 17}
    if absence == "is ignored":
        day.settings["ignored_products"] = ["B"]
        day.run()
        day.settings["ignored_products"] = []
    else:
        if absence == "vanishes":
            day.erp.remove(*B)
        else:
            day.erp.count(*B, 17, as_of=14)
        day.run()
        day.erp.count(*B, 18, as_of=14)
    cuts = day.run()
    assert all(cut.quantities == {B: 17} for cut in cuts)
    assert (not cuts) == (absence != "vanishes")


@pytest.mark.fault("F27")
def test_a_late_unit_that_comes_while_its_row_is_away_counts_until_the_row_changes(day: ShopDay) -> None:
    day.run(completed(10, "B"), completed(14, "B"))
    day.erp.count(*B, 18, as_of=14)
    day.run()
    day.erp.remove(*B)
    day.run(completed(12, "B"))
    day.erp.count(*B, 18, as_of=14)
    (cut,) = day.run()
    assert cut.quantities == {B: 17}
    day.erp.count(*B, 17, as_of=15)
    assert day.run() == []
