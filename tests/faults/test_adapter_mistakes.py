"""Mistakes of other adapters, as a shop would see them; the catalogue's other mistakes are tested with their part."""

from __future__ import annotations

import contextlib
import socket
import typing as t

import pytest

from tests.faults.players.forked_shop import MAPPER, TAP, TARGET, ForkedShop
from tests.shop.plugin import run_plugin
from tests.shop.receiver import Receiver
from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ForkedShop]:
    with ForkedShop(tmp_path, f"sqlite:///{tmp_path / 'database.db'}") as shop:
        shop.stock("A", 100)
        yield shop


@pytest.mark.adapter_mistake("read the range after the stock instead of with it")
def test_the_range_ends_with_the_events_the_stock_was_computed_from(shop: ForkedShop) -> None:
    """One unit is in the ERP's number, one is not, and one is sold during the run."""
    first = shop.sell("A")
    shop.erp.count("DC01", "A", 99, as_of=first)
    second = shop.sell("A")
    shop.run_part(TAP)
    shop.sell("A")
    for name in (MAPPER, TARGET):
        shop.run_part(name)
    assert shop.newstore.ranges() == [(first, second)]
    assert shop.newstore.on_hand("DC01", "A") == 98
    shop.assert_in_sync()


@pytest.mark.adapter_mistake("treated a number it had sent before as no change")
def test_numbers_of_ten_then_eight_then_ten_end_at_ten(shop: ForkedShop) -> None:
    for quantity in (10, 8, 10):
        shop.erp.count("DC01", "A", quantity)
        assert shop.run().codes == (0, 0, 0)
        assert shop.newstore.on_hand("DC01", "A") == quantity


@pytest.mark.adapter_mistake("set numbers by reading and adding the difference")
def test_a_number_is_set_whatever_newstore_had_before(shop: ForkedShop) -> None:
    shop.run()
    shop.newstore.set_stock("DC01", "A", 7)
    shop.newstore.order("DC01", "A")
    shop.erp.count("DC01", "A", 50)
    assert shop.run().codes == (0, 0, 0)
    assert shop.newstore.on_hand("DC01", "A") == 50


@pytest.mark.fault("F19")
@pytest.mark.adapter_mistake("answered 200 and dropped events it had no use for")
def test_every_event_is_kept_and_emitted_whatever_its_name(tmp_path: Path, database_url: str) -> None:
    names = ["assigned", "items_completed", "items_failed", "items_ready_for_handover", "items_gift_wrapped"]
    with Receiver(tmp_path, landing_url=database_url) as receiver:
        for at, name in enumerate(names):
            body = an_event(at, name=f"fulfillment_request.{name}", wrapping={"colour": "red"})
            assert receiver.post(body).status_code == 200
    done = run_plugin(TAP, tmp_path, {"landing_url": database_url, "settle_seconds": 0})
    assert [record["event_name"].partition(".")[2] for record in done.records] == names


@pytest.mark.adapter_mistake("called the API before it answered the webhook")
def test_the_receiver_answers_without_calling_any_api(tmp_path: Path) -> None:
    """An API accepts connections and never answers; it gets none."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as api:
        api.settimeout(0)
        url = f"http://127.0.0.1:{api.getsockname()[1]}"
        client: dict[str, t.Any] = {"tenant": "demo", "client_id": "x", "client_secret": "x"}
        client |= {"api_url": url, "auth_url": url}
        with Receiver(tmp_path, **client) as receiver:
            assert receiver.post(an_event(10)).status_code == 200
        with pytest.raises(BlockingIOError):
            api.accept()
