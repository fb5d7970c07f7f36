"""Stock needs the name, logical timestamp, location and products of an event. All else is taken as it comes."""

from __future__ import annotations

import json
import typing as t

import pytest
from tap_newstore_fulfillment.errors import EventRejectedError
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.records import item_records, read_record

from tests.tap.events import ASSIGNED, a_record, an_event, an_older_event, as_kept

if t.TYPE_CHECKING:
    from tap_newstore_fulfillment.events import FulfillmentEvent

ODD: list[t.Any] = [None, True, 0, 4711, -1.5, "", " ", "\x00", "é\x1f", "x" * 5_000, [], [1], {}, {"a": [None]}]
DEEP, DEEPER = ("[" * depth + "]" * depth for depth in (90, 100_000))
ZERO_DATES = [
    "0001-01-01T00:00:00",
    "0001-01-01T00:00:00Z",
    "1601-01-01T00:00:00Z",
    "1899-12-30T00:00:00",
    "1970-01-01",
]


def checked(body: t.Any) -> FulfillmentEvent:
    return check_event(json.dumps(body).encode())


def raw(text: str) -> bytes:
    """Return an event as it is sent, with its order id replaced by any JSON."""
    return json.dumps(an_event(12)).replace('"order-1"', text).encode()


@pytest.mark.parametrize("value", ODD, ids=repr)
@pytest.mark.parametrize("field", ["id", "order_id", "associate_id", "service_level", "unknown"])
def test_a_field_stock_does_not_need_may_hold_anything(field: str, value: t.Any) -> None:
    record = a_record(an_event(12, **{field: value}))
    assert (record["logical_timestamp"], record["items"][0]["product_id"]) == (12, "SKU-1")
    given = record.get(field, "")
    assert given is None or (isinstance(given, str) and "\x00" not in given)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(pair for value in ODD for pair in (("published_at", value), ("more", value))),
        *(("tenant", value) for value in ODD if not isinstance(value, str) or value.strip("x\x00é\x1f") == value),
    ],
)
def test_a_field_around_the_payload_may_hold_anything(field: str, value: t.Any) -> None:
    record = a_record({**an_event(12), field: value})
    assert record["logical_timestamp"] == 12
    assert record["published_at"] is None or field != "published_at"


@pytest.mark.parametrize("path", ["id", "order_id", "tenant", "published_at"])
def test_a_field_stock_does_not_need_may_be_missing(path: str) -> None:
    body = an_event(12)
    (body if path in body else body["payload"]).pop(path)
    assert a_record(body)["logical_timestamp"] == 12


def test_numeric_ids_become_text() -> None:
    body = an_event(12, id=77, fulfillment_location_id=9, items=[{"id": 1, "product_id": 4711}])
    record = a_record({**body, "tenant": 5})
    assert (record["fulfillment_request_id"], record["fulfillment_location_id"], record["tenant"]) == ("77", "9", "5")
    assert record["items"] == [{"id": "1", "product_id": "4711"}]
    assert record["event_id"].endswith(":77:12")


def test_an_event_without_a_request_id_still_has_an_identity() -> None:
    ids = {checked(an_event(at, id=None)).event_id for at in (12, 12, 13)}
    assert len(ids) == 2


def test_a_very_long_request_id_stays_an_identity_any_database_can_index() -> None:
    ids = {checked(an_event(12, id="x" * 100_000 + end)).event_id for end in ("a", "a", "b")}
    assert len(ids) == 2
    assert max(map(len, ids)) < 500


@pytest.mark.parametrize("item", [None, 7, True, "\x00", [], {}], ids=repr)
def test_an_item_id_may_hold_anything(item: t.Any) -> None:
    (unit,) = a_record(an_event(12, items=[{"id": item, "product_id": "A", "price": 1}]))["items"]
    assert (unit["product_id"], unit["price"]) == ("A", 1)
    assert unit["id"] is None or isinstance(unit["id"], str)


def test_an_item_may_have_no_id() -> None:
    assert a_record(an_event(12, items=[{"product_id": "A"}]))["items"] == [{"product_id": "A"}]


@pytest.mark.parametrize("text", ["yesterday", "", "2025-13-01T00:00:00Z", "9999-99-99", *ZERO_DATES])
def test_a_time_that_cannot_be_true_is_kept_as_unknown(text: str) -> None:
    event = checked({**an_event(12), "published_at": text})
    assert event.published_at is None
    assert a_record({**an_event(12), "published_at": text})["published_at"] is None


@pytest.mark.parametrize(
    "text", ["2019-04-11T13: 19: 01.255Z", " 2019-04-11T13:19:01.255Z", "2019-04-11T15:19:01.255+02:00"]
)
def test_a_time_with_stray_spaces_is_read(text: str) -> None:
    assert checked({**an_event(12), "published_at": text}).published_at == 1554988741.255
    published_at = a_record({**an_event(12), "published_at": text})["published_at"]
    assert " " not in published_at


@pytest.mark.parametrize("text", ["2019-04-11", "2019-W15-4", "2019-04-11T13:19:01.255", "2019-04-11 13:19:01"])
def test_a_day_or_a_time_without_a_zone_is_no_moment(text: str) -> None:
    """Taken for UTC, a time of New York would prove an hour's sales that the ERP's number does not contain."""
    event = checked({**an_event(12), "published_at": text})
    assert (event.published_at, json.loads(event.body)["published_at"]) == (None, None)


@pytest.mark.parametrize(
    "text",
    [
        "20190411T131901.255Z",
        "2019-W15-4T13:19:01.255Z",
        "2019-04-11 13:19:01.255Z",
        "2019-04-11T15:19:01.255+0200",
        "2019-04-11T15:19:01.255+02",
        "2019-04-11T13:20:01.255+00:01:00",
    ],
)
def test_a_moment_in_another_form_goes_out_as_the_schema_has_it(text: str) -> None:
    event = checked({**an_event(12), "published_at": text})
    assert event.published_at == 1554988741.255
    assert json.loads(event.body)["published_at"] == "2019-04-11T13:19:01.255000+00:00"


@pytest.mark.parametrize("items", [None, []])
@pytest.mark.parametrize("body", [an_event(12), an_older_event(12)], ids=["event stream", "older webhook"])
def test_a_completion_of_no_units_is_refused(body: dict[str, t.Any], items: t.Any) -> None:
    """Somebody left its units out: taken as it is, a range would cover units that nobody has subtracted."""
    event = body.get("event", body)
    without = {**event, "payload": {**event["payload"], "items": items}}
    with pytest.raises(EventRejectedError, match=r"payload\.items: required in fulfillment_request\.items_completed"):
        checked(without if event is body else {**body, "event": without})


@pytest.mark.parametrize("name", ["", " ", "Fulfillment_Request.items_completed", " fulfillment_request.assigned"])
def test_a_name_that_may_be_ours_is_refused(name: str) -> None:
    with pytest.raises(EventRejectedError, match="name: expected the name of an event"):
        checked(an_event(12, name=name))


@pytest.mark.parametrize(
    "odd",
    ['{"w":1e400}', '"\\ud800"', '"\\u0000"', "1" * 5_000, "NaN", "-Infinity", '"a\tb"', DEEP, DEEPER],
    ids=lambda text: text[:12],
)
def test_json_that_no_reader_agrees_on_is_brought_into_json_every_reader_understands(odd: str) -> None:
    event = check_event(raw(odd))
    assert event.logical_timestamp == 12
    json.loads(event.body, parse_constant=pytest.fail)
    event.body.encode()
    item = '{"id":"1","product_id":"A","more":' + odd + "}"
    body = json.dumps(an_event(12, items=["ITEM"])).replace('"ITEM"', item)
    assert check_event(body.encode()).logical_timestamp == 12


@pytest.mark.parametrize("first", ["5", "null", "[]", "{}", '"x"'])
@pytest.mark.parametrize(
    "name", ["tenant", "published_at", "payload", "id", "order_id", "fulfillment_location_id", "items", "product_id"]
)
def test_of_a_name_that_stands_there_twice_the_last_value_counts(name: str, first: str) -> None:
    twice = json.dumps(an_event(12)).replace(f'"{name}": ', f'"{name}": {first}, "{name}": ').encode()
    assert a_record(twice) == a_record(an_event(12))
    once, again = (item_records(read_record(as_kept(body), released=True)) for body in (an_event(12), twice))
    assert again == once


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_other_encodings_of_unicode_are_read(encoding: str) -> None:
    event = check_event(json.dumps(an_event(12, "Ä"), ensure_ascii=False).encode(encoding))
    assert (event.logical_timestamp, "Ä" in event.body) == (12, True)


def test_bytes_that_are_no_text_are_taken_where_stock_does_not_need_them() -> None:
    body = json.dumps(an_event(12, associate_id="M\u00fcller"), ensure_ascii=False).encode("latin-1")
    assert check_event(body).logical_timestamp == 12
    with pytest.raises(EventRejectedError, match="product_id: not UTF-8"):
        check_event(json.dumps(an_event(12, "M\u00fctze"), ensure_ascii=False).encode("latin-1"))


def test_what_is_as_documented_keeps_its_text() -> None:
    for body in (an_event(12, "A", "B"), an_older_event(12), an_event(1, name=ASSIGNED, items=None)):
        raw = json.dumps(body, indent=1).encode()
        assert check_event(raw).body == raw.decode()


@pytest.mark.parametrize("value", [None, "", True, [], {}, "\x00", "a\x1fb", "x" * 256], ids=repr)
def test_a_completion_needs_a_location_and_products(value: t.Any) -> None:
    for body in (
        an_event(12, fulfillment_location_id=value),
        an_event(12, items=[{"id": "1", "product_id": value}]),
    ):
        with pytest.raises(EventRejectedError, match=r"fulfillment_location_id|items\[0\].product_id"):
            checked(body)


@pytest.mark.parametrize("items", [{}, "x", 7, [None], ["A"], [[]], [{}]], ids=repr)
def test_a_completion_needs_a_list_of_units(items: t.Any) -> None:
    with pytest.raises(EventRejectedError, match=r"^payload\.items"):
        checked(an_event(12, items=items))


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_an_event_that_moves_no_stock_needs_neither(value: t.Any) -> None:
    name = "fulfillment_request.items_ready_for_handover"
    assert a_record(an_event(12, name=name, fulfillment_location_id=value, items=value))["items"] == []


@pytest.mark.parametrize("value", ["12", 12.5, 1e3, None, True, [12], 2**63, -(2**63) - 1], ids=repr)
def test_a_logical_timestamp_is_a_whole_number_of_64_bits(value: t.Any) -> None:
    with pytest.raises(EventRejectedError, match=r"^payload\.logical_timestamp: expected"):
        checked(an_event(12, logical_timestamp=value))


def test_an_older_completion_without_items_says_what_to_ask_for() -> None:
    body = an_older_event(12)
    del body["event"]["payload"]["items"], body["event"]["payload"]["fulfillment_location_id"]
    with pytest.raises(EventRejectedError, match=r"event\.payload\.items: required .* ask NewStore"):
        checked(body)


@pytest.mark.parametrize("value", [*ODD, {"name": "x"}, {"payload": 1}], ids=repr)
def test_an_envelope_may_have_a_field_that_is_called_as_the_older_webhooks_are(value: t.Any) -> None:
    assert a_record({**an_event(12), "event": value})["logical_timestamp"] == 12
    assert a_record({**an_older_event(12), "payload": value, "name": value})["logical_timestamp"] == 12
