"""What a store or an index cannot hold gets no further than the door, in no field and by neither way in."""

from __future__ import annotations

import json
import random
import typing as t

import pytest
from tap_newstore_fulfillment.errors import EventRejectedError
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.store import Arrival
from tap_newstore_fulfillment.records import read_record, to_dict
from tap_newstore_fulfillment.units import is_id
from target_newstore_stock.possible_keys import CONTROL

from tests.tap.events import ASSIGNED, COMPLETED, a_record, an_event

FAILED = "fulfillment_request.items_failed"
OTHER = "fulfillment_request.items_ready_for_handover"
#: An index of PostgreSQL takes 2,704 bytes in all, after compression: four such texts fit.
MOST_BYTES = 765
#: Not to be compressed, and of four bytes a character.
_random = random.Random(1)
LONG = "".join(chr(_random.randint(33, 126)) for _ in range(12_000))
WIDE = "".join(chr(_random.randint(0x10000, 0x1FFFF)) for _ in range(255))
#: Ids of which the target sends no number (target_newstore_stock.possible_keys).
UNSENT = {"delete": "a\x7fb", "next line": "a\x85b", "separator": "a\u2028b"}
ODD = {"nul": "a\0b", "newline": "a\nb", "long": LONG, "wide": WIDE, **UNSENT}
VALUES = pytest.mark.parametrize("value", ODD.values(), ids=ODD)


def texts(record: dict[str, t.Any]) -> list[str]:
    """Return all texts of a record that are not NewStore's own words."""
    given = [record, *record["items"]]
    return [value for part in given for value in part.values() if isinstance(value, str)]


def is_bounded(text: str) -> bool:
    return text.replace("\ufffd", "?").isprintable() and len(text) <= 300 and len(text.encode()) <= MOST_BYTES + 100


@VALUES
@pytest.mark.parametrize("name", [COMPLETED, ASSIGNED, FAILED, OTHER])
@pytest.mark.parametrize("field", ["id", "order_id", "associate_id", "service_level"])
def test_a_field_stock_does_not_need_is_bounded_and_clean_in_the_record(field: str, name: str, value: str) -> None:
    record = a_record(an_event(11, name=name, **{field: value}))
    assert all(map(is_bounded, texts(record)))
    assert a_record(an_event(11, name=name, **{field: value + "x"})) != record


@VALUES
@pytest.mark.parametrize("name", [ASSIGNED, FAILED, OTHER])
def test_the_location_of_an_event_that_completes_nothing_is_too(name: str, value: str) -> None:
    assert all(map(is_bounded, texts(a_record(an_event(11, name=name, fulfillment_location_id=value)))))


@VALUES
@pytest.mark.parametrize("name", [COMPLETED, ASSIGNED, FAILED, OTHER])
def test_so_is_the_id_of_a_unit(name: str, value: str) -> None:
    units = [{"id": value, "product_id": "SKU-1"}]
    assert all(map(is_bounded, texts(a_record(an_event(11, name=name, items=units)))))


@VALUES
@pytest.mark.parametrize("field", ["fulfillment_location_id", "product_id", "tenant"])
def test_a_completion_with_a_place_product_or_tenant_nobody_can_have_is_refused(field: str, value: str) -> None:
    body = an_event(11, value) if field == "product_id" else an_event(11)
    if field != "product_id":
        (body if field == "tenant" else body["payload"])[field] = value
    with pytest.raises(EventRejectedError, match=field) as caught:
        check_event(json.dumps(body).encode())
    assert caught.value.event_id == f"{COMPLETED}:fr-1:11"
    assert str(caught.value).isprintable()


def test_an_id_of_255_letters_of_any_living_language_is_taken() -> None:
    for letter in "aß日":
        record = a_record(an_event(11, letter * 255, fulfillment_location_id=letter * 255, order_id=letter * 255))
        assert record["fulfillment_location_id"] == record["items"][0]["product_id"] == record["order_id"]


@VALUES
@pytest.mark.parametrize("field", ["id", "order_id", "associate_id", "service_level", "fulfillment_location_id"])
def test_what_an_earlier_version_has_stored_is_bounded_when_it_is_read(field: str, value: str) -> None:
    body = json.dumps(an_event(11, name=ASSIGNED, **{field: value}))
    record = to_dict(read_record(Arrival("e", ASSIGNED, 11, 0, body), released=True))
    given = record["fulfillment_request_id" if field == "id" else field]
    assert len(given.encode()) <= MOST_BYTES
    assert "\0" not in given


def test_a_name_within_a_unit_may_hold_a_nul() -> None:
    (unit,) = a_record(an_event(11, items=[{"id": "1", "product_id": "A", "b\0": "c"}]))["items"]
    assert unit["b\ufffd"] == "c"


def test_an_id_whose_number_the_target_would_not_send_is_refused_by_the_door() -> None:
    """Or a range would cover completions that no number has."""
    characters = [chr(number) for number in range(0x3000) if not 0xD800 <= number < 0xE000]
    assert [one for one in characters if not is_id(f"a{one}")] == [one for one in characters if CONTROL.search(one)]
