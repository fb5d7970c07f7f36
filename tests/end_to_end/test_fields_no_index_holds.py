"""Texts no index can hold, in every field of a completion: they stop no run, and oversell nothing (design rule 18)."""

from __future__ import annotations

import json
import random
import typing as t

import pytest

from tests.shop.pipeline import Pipeline
from tests.tap.events import an_event
from tests.tap.export_files import ExportDirectory, ExportTap, timestamps

if t.TYPE_CHECKING:
    from pathlib import Path

SKU = ("DC01", "SKU-1")
TAKEN = ("id", "order_id", "associate_id", "service_level")
REFUSED = ("fulfillment_location_id", "product_id", "tenant")
_random = random.Random(1)
LONG = "".join(chr(_random.randint(33, 126)) for _ in range(12_000))
WIDE = "".join(chr(_random.randint(0x10000, 0x1FFFF)) for _ in range(255))
VALUES = pytest.mark.parametrize("value", ["a\0b", LONG, WIDE], ids=["nul", "long", "wide"])


def completion(at: int, field: str = "", value: str = "") -> bytes:
    body = {**an_event(at, request=f"fr-{at}"), "tenant": "t"}
    if field == "product_id":
        body["payload"]["items"][0][field] = value
    elif field:
        (body if field in body else body["payload"])[field] = value
    return json.dumps(body).encode()


@VALUES
@pytest.mark.parametrize("proven_by", ["fulfillment_request_id", "order_id"])
def test_no_field_stops_a_run_on_postgresql_and_what_is_refused_is_not_claimed(
    tmp_path: Path, postgresql: t.Any, value: str, proven_by: str
) -> None:
    tap = {"landing_url": postgresql.new_database(), "tenant": "t"}
    (tmp_path / "booked.csv").write_text(f"{proven_by},product_id\nnone,SKU-1\n")
    booked = {"on_hand_as_of": "booked", "booked_url": str(tmp_path / "booked.csv"), "vanished_rows": "keep"}
    mapper = {"ledger_url": postgresql.new_database(), **booked}
    fields = dict(enumerate((*TAKEN, *REFUSED), 10))
    with Pipeline(tmp_path, mapper, tap, delivers=False, first_logical_timestamp=8) as shop:
        shop.newstore.add_location("DC01")
        shop.stock(*SKU, 20)
        for order in [shop.newstore.order(*SKU) for _ in fields]:
            shop.newstore.ship(order)
        answers = {field: shop.receiver.post(completion(at, field, value)).status_code for at, field in fields.items()}
        assert answers == {**dict.fromkeys(TAKEN, 200), **dict.fromkeys(REFUSED, 400)}
        assert shop.receiver.post(completion(99)).status_code == 200
        assert shop.run().codes == (0, 0, 0), shop.log
        assert shop.newstore.ranges() == [(10, 13), (99, 99)]
        assert shop.run().codes == (0, 0, 0), shop.log


@VALUES
def test_lines_of_export_files_are_held_to_the_same(tmp_path: Path, postgresql: t.Any, value: str) -> None:
    exports = ExportDirectory(tmp_path / "exports")
    lines = [completion(at, field, value) for at, field in enumerate((*TAKEN, *REFUSED), 10)]
    exports.put("1700000000000-data-a.export", *lines, completion(20))
    rejects = str(tmp_path / "export_rejects.jsonl")
    tap = ExportTap(tmp_path, exports.path, landing_url=postgresql.new_database(), export_rejects_path=rejects)
    done = tap.run()
    assert timestamps(done) == [10, 11, 12, 13, 20]
    assert done.states[-1]["bookmarks"]["fulfillment_events"]["holes"] == [[14, 16]]
