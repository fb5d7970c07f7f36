"""Which bodies are events, and what the error says about the others."""

from __future__ import annotations

import json
import typing as t

import pytest
from tap_newstore_fulfillment.errors import EventRejectedError
from tap_newstore_fulfillment.events import check_event

from tests.tap.events import ASSIGNED, COMPLETED, a_payload, a_record, an_event, an_older_event


def checked(body: t.Any) -> t.Any:
    return check_event(json.dumps(body).encode())


def without(body: dict[str, t.Any], *path: str) -> dict[str, t.Any]:
    inner = body
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return body


def test_an_event_keeps_its_text_as_it_was_sent() -> None:
    raw = json.dumps(an_event(12), indent=1).encode()
    assert check_event(raw).body == raw.decode()


def test_an_event_has_one_identity_in_both_wire_shapes() -> None:
    assert checked(an_event(12)).event_id == checked(an_older_event(12)).event_id


@pytest.mark.parametrize(
    ("older", "name"),
    [
        ("fulfillment_request_assigned", "fulfillment_request.assigned"),
        ("fulfillment_request_failed", "fulfillment_request.items_failed"),
        ("fulfillment_request_completed", "fulfillment_request.items_completed"),
    ],
)
def test_the_older_names_become_the_event_streams_names(older: str, name: str) -> None:
    assert checked(an_older_event(1, name=older)).event_name == name


def test_different_events_of_one_request_have_different_identities() -> None:
    names = {checked(an_event(at, name=name)).event_id for at in (1, 2) for name in (COMPLETED, ASSIGNED)}
    assert len(names) == 4


@pytest.mark.fault("F19")
def test_unknown_names_and_fields_are_accepted_and_kept() -> None:
    event = checked({**an_event(3, name="fulfillment_request.new", colour="red"), "more": 1})
    assert event.event_name == "fulfillment_request.new"
    assert '"colour": "red"' in event.body


@pytest.mark.adapter_mistake("sent a null location, which creates one")
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "body: expected object, got array"),
        ({}, "name: required"),
        ({"name": "fulfillment_request.x"}, "payload: required"),
        ({"name": "order.created"}, "payload: required"),
        ({"name": 7, "payload": {}}, "name: expected str, got int"),
        ({"name": "fulfillment_request.x", "payload": []}, "payload: expected object, got array"),
        (without(an_event(1), "payload", "logical_timestamp"), "payload.logical_timestamp: required"),
        (
            without(an_older_event(1), "event", "payload", "logical_timestamp"),
            "event.payload.logical_timestamp: required",
        ),
        (without(an_event(1), "payload", "items"), "payload.items: required in fulfillment_request.items_completed"),
        (
            an_event(1, fulfillment_location_id=None),
            "payload.fulfillment_location_id: required in fulfillment_request.items_completed",
        ),
        (an_event(1, items=[{"id": "1", "product_id": []}]), "payload.items[0].product_id: expected str, got array"),
        (an_event(1) | {"payload": a_payload(1) | {"logical_timestamp": "12"}}, "payload.logical_timestamp: expected"),
        (an_event(1) | {"payload": a_payload(1) | {"logical_timestamp": 1.5}}, "payload.logical_timestamp: expected"),
        (an_event(2**63), "payload.logical_timestamp"),
    ],
)
def test_the_error_names_the_field(body: t.Any, message: str) -> None:
    with pytest.raises(EventRejectedError) as caught:
        checked(body)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"temp",
        b"\xff{}",
        b'{"name": "x", "payload": {}} {}',
        b'{"name":',
        b"[" * 100_000,
        b"null",
        # Each quote could begin another search to the end, which would take days.
        b'"\\' * 1_000_000,
        b'\\"' * 1_000_000,
    ],
    ids=["empty", "text", "bytes", "two", "cut", "deep", "null", "quotes", "escaped quotes"],
)
def test_a_body_that_is_not_json_is_refused(raw: bytes) -> None:
    with pytest.raises(EventRejectedError, match=r"^body: "):
        check_event(raw)


def test_ids_with_control_characters_are_refused_because_postgresql_cannot_keep_them() -> None:
    with pytest.raises(EventRejectedError, match=r"payload.items\[0\].product_id"):
        checked(an_event(1, "SKU\x00"))


def test_a_record_has_every_field_of_the_stream() -> None:
    record = a_record(an_event(12, "A", "A"), received_at=1741079703000)
    assert record == {
        "event_id": "fulfillment_request.items_completed:fr-1:12",
        "event_name": "fulfillment_request.items_completed",
        "tenant": "demo",
        "logical_timestamp": 12,
        "published_at": "2025-03-04T09:15:02.117Z",
        "received_at": "2025-03-04T09:15:03.000+00:00",
        "fulfillment_request_id": "fr-1",
        "order_id": "order-1",
        "fulfillment_location_id": "DC01",
        "associate_id": None,
        "service_level": "STANDARD",
        "released": True,
        "items": [{"id": "fr-1-0", "product_id": "A"}, {"id": "fr-1-1", "product_id": "A"}],
    }


def test_a_record_of_the_older_shape_has_no_tenant() -> None:
    record = a_record(an_older_event(12))
    assert (record["tenant"], record["event_name"]) == (None, "fulfillment_request.items_completed")


@pytest.mark.parametrize("fields", [{}, {"items": None}, {"items": []}])
def test_an_assignment_may_have_no_items(fields: dict[str, t.Any]) -> None:
    body = an_event(12, name=ASSIGNED, **fields)
    if not fields:
        del body["payload"]["items"]
    assert a_record(body)["items"] == []


def test_unknown_fields_of_an_item_are_kept() -> None:
    item = {"id": "1", "product_id": "A", "price": 1.5, "note": "\u00e9"}
    assert a_record(an_event(12, items=[item]))["items"] == [item]
