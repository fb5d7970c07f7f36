"""A cut is imported whole or not at all (design rule 8); tested without a network."""

from __future__ import annotations

import decimal
import typing as t

import pytest
from target_newstore_stock.errors import IncompleteCutError, RecordError, TargetError
from target_newstore_stock.intake import Intake
from target_newstore_stock.records import read_record

from tests.target.stock_messages import a_cut, a_record

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from target_newstore_stock.records import CutHead
    from target_newstore_stock.stock_file import StockFile


class Importer:
    """Records what it is asked to import."""

    def __init__(self) -> None:
        self.imported: list[tuple[str | None, tuple[int, int] | None, int]] = []
        self.fails = False

    def run(self, cut: CutHead, file: StockFile) -> None:
        if self.fails:
            raise TargetError("failed")
        self.imported.append((cut.cut_id, cut.range, file.items))


@pytest.fixture
def importer() -> Importer:
    return Importer()


@pytest.fixture
def intake(importer: Importer) -> Iterator[Intake]:
    intake = Intake(importer, max_file_mb=1)
    yield intake
    intake.close()


def feed(intake: Intake, *messages: dict[str, t.Any]) -> None:
    for message in messages:
        intake.add(read_record(message["record"]))


def test_a_cut_is_imported_with_its_last_record(intake: Intake, importer: Importer) -> None:
    first, last = a_cut(17, {"A": 1, "B": 2}, (10, 12))
    feed(intake, first)
    assert (importer.imported, intake.cut_is_open, intake.is_empty) == ([], True, False)
    feed(intake, last)
    assert (importer.imported, intake.cut_is_open, intake.is_empty) == ([("17", (10, 12), 2)], False, True)


def test_cuts_are_imported_in_the_order_they_come(intake: Intake, importer: Importer) -> None:
    feed(intake, *a_cut(3, {"A": 1}, (1, 1)), *a_cut(4, {"A": 2}), *a_cut(5, {"B": 2}, (2, 9)))
    assert importer.imported == [("3", (1, 1), 1), ("4", None, 1), ("5", (2, 9), 1)]


@pytest.mark.fault("F8")
def test_a_plain_drain_leaves_an_open_cut_alone(intake: Intake, importer: Importer) -> None:
    feed(intake, *a_cut(3, {"A": 1, "B": 1}, size=3))
    intake.import_plain()
    assert importer.imported == []


@pytest.mark.fault("F7")
def test_an_input_that_ends_inside_a_cut_is_refused(intake: Intake, importer: Importer) -> None:
    feed(intake, *a_cut(3, {"A": 1, "B": 1}, size=3))
    with pytest.raises(IncompleteCutError, match="inside cut 3, after 2 of 3 records: nothing of it was imported"):
        intake.refuse_open_cut()
    assert importer.imported == []


def test_a_complete_input_is_not_refused(intake: Intake) -> None:
    feed(intake, *a_cut(3, {"A": 1}))
    intake.refuse_open_cut()


@pytest.mark.parametrize(
    "stray",
    [
        a_cut(4, {"X": 1})[0],
        a_cut(3, {"X": 1}, size=4)[0],
        a_cut(3, {"X": 1}, (1, 2), size=3)[0],
        a_record("X", 1),
    ],
    ids=["another cut", "another size", "another range", "a plain record"],
)
def test_a_record_of_another_cut_inside_a_cut_is_refused(
    intake: Intake, importer: Importer, stray: dict[str, t.Any]
) -> None:
    feed(intake, *a_cut(3, {"A": 1, "B": 1}, size=3))
    with pytest.raises(RecordError, match="cut 3 has 2 of 3 records"):
        feed(intake, stray)
    assert importer.imported == []


def test_records_of_two_streams_make_no_cut_whatever_their_cut_fields_say(intake: Intake, importer: Importer) -> None:
    ours, theirs = a_cut(1, {"A": 1, "B": 2}, (1, 2)), a_cut(1, {"C": 3, "D": 4}, (1, 2))
    intake.add(read_record(ours[0]["record"]), "stock")
    with pytest.raises(
        RecordError, match=r"cut 1 has 1 of 2 records, and the next record is of cut 1 .* of another stream"
    ):
        intake.add(read_record(theirs[0]["record"]), "theirs")
    assert importer.imported == []


def test_a_key_that_occurs_twice_in_a_cut_is_refused(intake: Intake, importer: Importer) -> None:
    with pytest.raises(RecordError, match="DC01/A occurs twice"):
        feed(intake, *a_cut(3, {"A": 1}, size=2), *a_cut(3, {"A": 2}, size=2))
    assert importer.imported == []


def test_a_cut_beyond_the_largest_file_is_refused_with_advice(importer: Importer) -> None:
    intake = Intake(importer, max_file_mb=0.0002)
    with pytest.raises(RecordError, match=r"cut 3 is larger than max_file_mb \(0.0002\).*max_cut_items"):
        feed(intake, *a_cut(3, {"A" * 100: 1, "B" * 100: 2, "C": 3}))
    assert importer.imported == []
    intake.close()


def test_plain_records_wait_for_the_end_and_the_later_of_two_counts(intake: Intake, importer: Importer) -> None:
    feed(intake, a_record("A", 1), a_record("B", 1), a_record("A", 2))
    assert (importer.imported, intake.is_empty) == ([], False)
    intake.import_plain()
    assert (importer.imported, intake.is_empty) == ([(None, None, 2)], True)


def test_plain_records_are_imported_before_a_cut_that_follows_them(intake: Intake, importer: Importer) -> None:
    feed(intake, a_record("A", 1), *a_cut(3, {"A": 2}))
    assert importer.imported == [(None, None, 1), ("3", None, 1)]


def test_plain_records_are_split_by_size(importer: Importer) -> None:
    intake = Intake(importer, max_file_mb=0.001)
    feed(intake, *(a_record(f"P{number:03}", 1) for number in range(20)))
    intake.import_plain()
    assert [items for _, _, items in importer.imported] == [10, 10]


def test_plain_records_that_could_not_be_imported_still_wait(intake: Intake, importer: Importer) -> None:
    importer.fails = True
    feed(intake, a_record("A", 1))
    with pytest.raises(TargetError):
        intake.import_plain()
    assert not intake.is_empty


@pytest.mark.adapter_mistake("sent a null location, which creates one")
@pytest.mark.adapter_mistake("truncated decimal quantities")
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"quantity": -1}, r"quantity"),
        ({"quantity": "7"}, r"quantity"),
        ({"quantity": 7.5}, r"quantity"),
        ({"quantity": -7.0}, r"quantity"),
        ({"quantity": 2.0**53}, r"quantity"),
        ({"quantity": 1e300}, r"quantity"),
        ({"quantity": float("nan")}, r"quantity"),
        ({"quantity": float("inf")}, r"quantity"),
        ({"quantity": decimal.Decimal("7.5")}, r"quantity"),
        ({"quantity": decimal.Decimal("1E+999999999")}, r"quantity"),
        ({"quantity": True}, r"quantity"),
        ({"product_id": ""}, r"product_id"),
        ({"quantity": 2**63}, r"quantity"),
        ({"fulfillment_node_id": None}, r"fulfillment_node_id"),
        ({"logical_timestamp_start": 1}, "logical_timestamp_start 1 and logical_timestamp_end None are not a range"),
        ({"logical_timestamp_start": 3, "logical_timestamp_end": 2, "cut_id": "1", "cut_size": 1}, "are not a range"),
        ({"logical_timestamp_start": 1, "logical_timestamp_end": 2}, "needs cut_id and cut_size"),
        ({"cut_id": "1"}, "cut_id and cut_size: give both or none"),
        ({"cut_size": 1}, "cut_id and cut_size: give both or none"),
        ({"cut_id": "1", "cut_size": 0}, "cut_size"),
        (
            {"logical_timestamp_start": 1, "logical_timestamp_end": 2**63},
            r"<= 9223372036854775807 - at `\$.logical_timestamp_end`",
        ),
        (
            {"logical_timestamp_start": -(2**63) - 1, "logical_timestamp_end": 1},
            r"int.* >= -9223372036854775808 - at `\$.logical_timestamp_start`",
        ),
    ],
)
def test_a_record_that_is_not_a_stock_record_is_refused(
    intake: Intake, importer: Importer, fields: dict[str, t.Any], said: str
) -> None:
    record = {"fulfillment_node_id": "DC01", "product_id": "A", "quantity": 1, **fields}
    with pytest.raises(RecordError, match=said):
        feed(intake, {"record": record})
    intake.import_plain()
    assert importer.imported == []
