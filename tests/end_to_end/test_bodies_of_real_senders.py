"""Bodies and requests that real senders were seen to make, byte for byte: from the door to NewStore's number.

Each of them once oversold, was lost, or stopped every run for ever.
"""

from __future__ import annotations

import json
import re
import typing as t

import pytest
import requests

from tests.shop.pipeline import MAPPER, TAP, Pipeline
from tests.shop.plugin import run_plugin
from tests.shop.raw_http import send
from tests.tap.export_files import ExportDirectory, ExportTap, timestamps

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SKU = ("DC01", "SKU-1")
KEY = "k1"
TENANT = "t"
CALL_SECONDS = 30

#: A completion as the sender wrote it; AT stands for its logical timestamp.
COMPLETION = (
    b'{"tenant": "t", "name": "fulfillment_request.items_completed", "published_at": "2026-01-01T00:00:00Z", '
    b'"payload": {"id": "fr-AT", "order_id": "o", "logical_timestamp": AT, "fulfillment_location_id": "DC01", '
    b'"associate_id": null, "service_level": "STANDARD", "items": [{"id": "iAT", "product_id": "SKU-1"}]}}'
)
#: The same of Java's HttpClient, and how that begins its request; it offers HTTP/2 with each first one.
JAVA_BODY = (
    b'{"tenant":"t","name":"fulfillment_request.items_completed","published_at":"2026-01-01T00:00:00Z","payload":'
    b'{"id":"fr-AT","order_id":"o","logical_timestamp":AT,"fulfillment_location_id":"DC01","associate_id":null,'
    b'"service_level":"STANDARD","items":[{"id":"i","product_id":"SKU-1"}]}}'
)
JAVA_HEAD = (
    b"POST /events HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nHost: 127.0.0.1\r\n"
    b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nUpgrade: h2c\r\n"
    b"User-Agent: Java-http-client/17.0.9\r\nAuthorization: Bearer k1\r\nContent-Type: application/json\r\n"
)
H2C_HEAD = (
    b"POST /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k1\r\nContent-Type: application/json\r\n"
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n"
)
SLASH_HEAD = (
    b"POST /events/ HTTP/1.1\r\nHost: events.example.com\r\nAuthorization: Bearer k1\r\n"
    b"Content-Type: application/json\r\n"
)


def completion(at: int, body: bytes = COMPLETION) -> bytes:
    return body.replace(b"AT", str(at).encode())


def with_length(head: bytes, body: bytes) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def in_chunks(head: bytes, body: bytes) -> bytes:
    return head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


@pytest.fixture(params=["tenant", "file"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pipeline]:
    """Ten units, of which three have been shipped at the timestamps 10, 11 and 12; no event of that has come yet."""
    with Pipeline(
        tmp_path,
        tap={"receiver_api_key": KEY},
        delivers=False,
        range_scope=request.param,
        first_logical_timestamp=7,
    ) as shop:
        shop.newstore.add_location("DC01")
        shop.stock(*SKU, 10)
        orders = [shop.newstore.order(*SKU) for _ in range(3)]
        assert [shop.newstore.ship(order) for order in orders] == [10, 11, 12]
        yield shop


def post(shop: Pipeline, body: bytes) -> int:
    return shop.receiver.post(body, key=KEY).status_code


def run(shop: Pipeline) -> tuple[list[t.Any], int]:
    """Run the three parts; return the ranges imported and NewStore's number, which promises no more than is free."""
    assert shop.run().codes == (0, 0, 0), shop.log
    numbers = shop.newstore.numbers(*SKU)
    assert numbers["atp"] == numbers["free"] == 7
    assert shop.newstore.truth()["oversold"] == []
    return shop.newstore.ranges(), numbers["on_hand"]


@pytest.mark.parametrize(
    ("head", "body", "sent"),
    [
        (H2C_HEAD, COMPLETION, with_length),
        (H2C_HEAD, COMPLETION, in_chunks),
        (JAVA_HEAD, JAVA_BODY, with_length),
        (JAVA_HEAD, JAVA_BODY, in_chunks),
    ],
)
def test_a_completion_behind_an_offer_of_http_2_is_subtracted(
    shop: Pipeline, head: bytes, body: bytes, sent: Callable[[bytes, bytes], bytes]
) -> None:
    assert send(shop.receiver.url, sent(head, completion(11, body))).status == 200
    assert [post(shop, completion(at)) for at in (10, 12)] == [200, 200]
    assert run(shop) == ([(10, 12)], 7)


def test_a_completion_with_a_number_for_the_associate_is_subtracted(shop: Pipeline) -> None:
    with_a_number = completion(11).replace(b'"associate_id": null', b'"associate_id": 4711')
    assert [post(shop, body) for body in (completion(10), with_a_number, completion(12))] == [200] * 3
    assert run(shop) == ([(10, 12)], 7)


def test_a_zero_date_for_the_publication_is_no_reason_to_refuse(shop: Pipeline) -> None:
    zero_date = completion(10).replace(b"2026-01-01T00:00:00Z", b"0001-01-01T00:00:00")
    assert [post(shop, body) for body in (zero_date, completion(11), completion(12))] == [200] * 3
    assert run(shop) == ([(10, 12)], 7)


def test_a_zero_date_in_an_export_file_stops_no_run(tmp_path: Path) -> None:
    exports = ExportDirectory(tmp_path / "exports")
    zero_date = completion(21).replace(b"2026-01-01T00:00:00Z", b"0001-01-01T00:00:00")
    exports.put("1700000000000-data-a.export", completion(20), zero_date, completion(22))
    tap = ExportTap(tmp_path, exports.path)
    done = tap.run()
    assert timestamps(done) == [20, 21, 22]
    assert [record["published_at"] for record in done.records][1] is None
    assert timestamps(tap.run()) == []


@pytest.mark.parametrize("maps", [{}, {"fulfillment_events": {"one": "1"}}])
def test_a_number_out_of_range_stops_no_run_with_a_stream_map_or_without(
    shop: Pipeline, tmp_path: Path, maps: dict[str, t.Any]
) -> None:
    weighed = completion(10).replace(b'"product_id": "SKU-1"}', b'"product_id": "SKU-1", "weight": 1e400}')
    assert [post(shop, body) for body in (weighed, completion(11), completion(12))] == [200] * 3
    done = run_plugin(TAP, tmp_path, shop.settings[TAP] | {"stream_maps": maps})
    assert (done.code, timestamps(done)) == (0, [10, 11, 12]), done.log
    assert run(shop) == ([(10, 12)], 7)


def test_a_slash_at_the_end_of_the_path_loses_nothing_and_any_other_path_is_seen(shop: Pipeline) -> None:
    receiver = shop.receiver
    assert send(receiver.url, with_length(SLASH_HEAD, completion(11))).status == 200
    calls = [("POST", "/Events"), ("POST", "/newstore/events"), ("GET", "/events")]
    headers = {"Authorization": f"Bearer {KEY}"}
    answers = [
        requests.request(method, receiver.url + path, data=completion(9), headers=headers, timeout=CALL_SECONDS)
        for method, path in calls
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 405]
    metrics = requests.get(f"{receiver.url}/metrics", timeout=CALL_SECONDS).text
    counted = dict(re.findall(r'newstore_answers_total\{status="(\d+)"\} (\d+)', metrics))
    assert counted == {"200": "1", "404": "2", "405": "1"}
    assert all(f'"path":"{path}"' in receiver.process.output for _, path in calls)
    assert [post(shop, completion(at)) for at in (10, 12)] == [200, 200]
    assert run(shop) == ([(10, 12)], 7)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_nul_in_a_key_goes_nowhere_and_stops_nothing(
    shop: Pipeline, request: pytest.FixtureRequest, database: str
) -> None:
    if database == "postgresql":
        shop.set_mapper({"ledger_url": request.getfixturevalue("postgresql").new_database()})
    shop.erp.count("DC01", "A\0B", 5)
    assert "DC01,A\0B,5," in shop.erp.path.read_text(encoding="utf-8")
    with_a_nul = completion(9).replace(b'"DC01"', b'"DC\\u0000"')
    assert [post(shop, body) for body in (with_a_nul, *map(completion, (10, 11, 12)))] == [400, 200, 200, 200]
    assert run(shop) == ([(10, 12)], 7)
    assert "Traceback" not in shop.log
    assert "leave holes at logical timestamps 9: no range covers them" in shop.log
    (job,) = shop.newstore.imports("finished")
    assert [item["product_id"] for item in job["items"]] == ["SKU-1"]


def test_a_list_of_nothing_but_a_nul_sends_nothing_and_the_ledger_says_why(shop: Pipeline, tmp_path: Path) -> None:
    shop.erp.remove(*SKU)
    shop.erp.count("DC01", "A\0B", 5)
    assert post(shop, completion(10)) == 200
    assert shop.run().codes == (0, 0, 0), shop.log
    assert shop.newstore.imports() == []
    url = shop.settings[MAPPER]["ledger_url"]
    held = json.loads(
        run_plugin("newstore-stock-ledger", tmp_path, None, "--ledger-url", url, "held", "--format", "json").output
    )
    reasons = {row["product_id"].replace("\0", "\ufffd"): row["reason"] for row in held}
    assert r"product_id is 'A\x00B' and holds a NUL character: correct it in the ERP" in reasons["A\ufffdB"]
