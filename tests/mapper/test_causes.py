"""Why a number is not the ERP's, from what is known of a key; no ledger, no NewStore."""

from __future__ import annotations

import pytest
from mapper_newstore_stock.comparison.causes import Finding, Insights, Known, Line, Past, Ways, judge

LINE = Line("DC01", "A", on_hand=10, sent=10, cut=3)


def found(
    atp: int | None,
    insights: Insights = Insights(),  # noqa: B008 - immutable
    *,
    line: Line = LINE,
    known: Known = Known(),  # noqa: B008
    past: Past = Past(),  # noqa: B008
    ways: Ways = Ways(),  # noqa: B008
) -> Finding:
    return judge(line, atp, insights, known=known, past=past, ways=ways)


@pytest.mark.parametrize(
    ("atp", "insights", "cause", "above"),
    [
        (8, Insights(allocations=2), "allocations", 0),
        (7, Insights(1, 2), "reservations", 0),
        (8, Insights(allocations=1), "unexplained", 0),
        (9, Insights(allocations=2), "unexplained", 1),
        (11, Insights(), "unexplained", 1),
        (-990, Insights(allocations=1000), "allocations", 0),
        (-1990, Insights(allocations=1000), "allocations", 0),
        (14, Insights(future_allocations=1), "future", 0),
        (5, Insights(future_allocations=1), "unexplained", 0),
    ],
)
def test_what_newstore_lists_explains_a_number_or_does_not(
    atp: int, insights: Insights, cause: str, above: int
) -> None:
    finding = found(atp, insights)
    assert (finding.cause, finding.above, finding.is_wrong) == (cause, above, cause == "unexplained")


def test_future_inventory_is_only_where_it_is_said_or_seen_to_be() -> None:
    assert found(15, ways=Ways(future_nodes=frozenset({"DC02"}))).cause == "unexplained"
    assert found(15, ways=Ways(future_nodes=frozenset({"DC01"}))).is_wrong is False


@pytest.mark.parametrize(
    ("past", "cause"),
    [
        (Past(frozenset({12}), is_recent=True), "not_visible"),
        (Past(frozenset({12}), is_recent=True, shows=False), "not_visible"),
        (Past(frozenset({12}), is_recent=True, shows=True), "refused"),
        (Past(frozenset({12})), "refused"),
        (Past(frozenset({13}), covered=1, is_recent=True), "not_visible"),
        (Past(frozenset({13}), covered=1), "unexplained"),
        (Past(is_recent=True), "not_visible"),
        (Past(frozenset({14}), is_recent=True), "unexplained"),
        (Past(frozenset({14}), is_recent=True, is_repeat=True), "not_visible"),
        (Past(frozenset({14}), is_recent=True, is_repeat=True, shows=True), "unexplained"),
        (Past(frozenset({14}), is_repeat=True), "unexplained"),
    ],
)
def test_an_earlier_number_was_refused_or_is_not_yet_replaced(past: Past, cause: str) -> None:
    finding = found(12, past=past)
    # Too much is promised in any case.
    assert (finding.cause, finding.above, finding.is_wrong) == (cause, 2, True)


@pytest.mark.parametrize(
    ("atp", "insights", "cause"),
    [
        (7, Insights(), "ahead"),
        (8, Insights(), "ahead"),
        (8, Insights(allocations=2), "ahead"),
        (6, Insights(allocations=2), "ahead"),
        (6, Insights(reservations=1), "ahead"),
        (6, Insights(), "unexplained"),
        (11, Insights(), "unexplained"),
    ],
)
def test_units_no_range_covers_explain_a_number_whether_newstore_lists_them_or_not(
    atp: int, insights: Insights, cause: str
) -> None:
    finding = found(atp, insights, known=Known(ahead=3))
    assert (finding.cause, finding.is_wrong) == (cause, cause == "unexplained")


def test_units_no_range_covers_come_off_the_number_before_an_import_shows() -> None:
    past = Past(frozenset({12}), is_recent=True)
    assert found(9, known=Known(ahead=3), line=LINE._replace(sent=5), past=past).cause == "not_visible"
    assert found(9, known=Known(ahead=3), line=LINE._replace(sent=5), past=Past(frozenset({12}))).cause == "refused"


def test_units_no_range_covers_and_safety_stock_may_both_be_subtracted() -> None:
    assert found(5, known=Known(ahead=3), ways=Ways(safety_stock=2)).cause == "ahead"
    assert found(4, known=Known(ahead=3), ways=Ways(safety_stock=2)).cause == "unexplained"


@pytest.mark.parametrize(("atp", "cause"), [(8, "safety_stock"), (7, "unexplained"), (11, "unexplained")])
def test_safety_stock_is_at_most_what_was_said(atp: int, cause: str) -> None:
    assert found(atp, ways=Ways(safety_stock=2)).cause == cause


@pytest.mark.parametrize(
    ("atp", "insights", "cause"),
    [
        (10, Insights(allocations=5), "allocations"),
        (8, Insights(allocations=5), "allocations"),
        (4, Insights(allocations=5), "unexplained"),
        (11, Insights(allocations=5), "unexplained"),
    ],
)
def test_of_numbers_sent_as_available_any_open_order_may_be_newer(atp: int, insights: Insights, cause: str) -> None:
    assert found(atp, insights, ways=Ways(is_atp=True)).cause == cause


def test_a_key_newstore_does_not_know_puts_nothing_at_risk() -> None:
    assert (found(None).cause, found(None).is_wrong) == ("not_known", False)
    assert found(None, past=Past(is_recent=True)).cause == "not_visible"
    assert found(None, known=Known(state="held")).cause == "held"


@pytest.mark.parametrize(
    ("known", "cause"),
    [
        (Known(late=1, unproven=1, ahead=1), "late"),
        (Known(unproven=1, ahead=1), "unproven"),
        (Known(ahead=1), "ahead"),
        (Known(late=1, state="stale"), "stale"),
        (Known(state="vanished"), "vanished"),
    ],
)
def test_what_the_ledger_knows_says_why_the_number_sent_is_not_the_erps(known: Known, cause: str) -> None:
    finding = found(9, line=LINE._replace(sent=9), known=known)
    assert (finding.cause, finding.is_wrong) == (cause, False)
