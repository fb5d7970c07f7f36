"""A completion refused at the door is a hole no range covers, until it is taken or discarded (design rule 18)."""

from __future__ import annotations

import copy
import typing as t

import pytest

from tests.shop.pipeline import Pipeline

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SKU = ("DC01", "SKU-1")


@pytest.fixture(params=["tenant", "file"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pipeline]:
    with Pipeline(tmp_path, delivers=False, range_scope=request.param) as shop:
        shop.newstore.add_location("DC01")
        shop.stock(*SKU, 10)
        yield shop


def deliver(shop: Pipeline, *refused: int) -> list[int]:
    """Deliver all events; of those at the timestamps named the items have been lost. Return the answers."""
    answers = []
    for event in shop.newstore.events():
        body = copy.deepcopy(event["body"])
        if body["payload"]["logical_timestamp"] in refused:
            body["payload"]["items"] = "lost"
        answers.append(shop.receiver.post(body).status_code)
    return answers


@pytest.mark.fault("F29")
def test_no_range_covers_a_refused_completion_until_it_comes_whole(shop: Pipeline) -> None:
    first, second, third = (shop.newstore.sell(*SKU) for _ in range(3))
    assert 400 in deliver(shop, second)
    assert shop.run().codes == (0, 0, 0), shop.log
    assert shop.newstore.ranges() == [(first, first), (third, third)]
    # NewStore goes on subtracting the one in between by itself.
    assert shop.newstore.numbers(*SKU)["on_hand"] == 8
    assert shop.newstore.numbers(*SKU)["atp"] == shop.newstore.numbers(*SKU)["free"] == 7
    deliver(shop)
    assert shop.run().codes == (0, 0, 0), shop.log
    assert shop.newstore.ranges()[2:] == [(second, second)]
    assert shop.newstore.numbers(*SKU)["on_hand"] == 7
    assert shop.newstore.numbers(*SKU)["atp"] == shop.newstore.numbers(*SKU)["free"] == 7
    assert shop.newstore.truth()["oversold"] == []
