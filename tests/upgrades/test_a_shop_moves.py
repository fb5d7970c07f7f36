"""A shop goes on where it was after both of its stores have moved to another database."""

from __future__ import annotations

import typing as t

import pytest

from tests.faults.players.forked_shop import MAPPER, TAP, TARGET, ForkedShop
from tests.shop.plugin import run_plugin
from tests.shop.receiver import Receiver

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.postgresql import PostgreSql


@pytest.fixture(params=["sqlite to postgresql", "postgresql to sqlite"])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """Return the URLs of two empty databases."""
    server: PostgreSql = request.getfixturevalue("postgresql")
    one, other = f"sqlite:///{tmp_path / 'shop.db'}", server.new_database()
    return (one, other) if request.param.startswith("sqlite") else (other, one)


@pytest.mark.parametrize("at_write", [0, 8])
def test_half_a_day_on_one_database_and_half_on_another_nothing_is_oversold_and_all_agrees(
    urls: tuple[str, str], tmp_path: Path, at_write: int
) -> None:
    """With `at_write`, the last run before the move was killed in its import: the copy repeats it."""
    source, target = urls
    with ForkedShop(tmp_path, source) as shop:
        for product in ("A", "B"):
            shop.stock(product, 100)
        shop.sell("A")
        assert shop.run().codes == (0, 0, 0)
        shop.sell("A", "B")
        shop.run(TARGET if at_write else "", at_write)
        unknown_to_the_ledger = shop.sell("B")

        port = int(shop.receiver.url.rpartition(":")[2])
        config = str(tmp_path / "receiver.json")
        commands: list[tuple[str, ...]] = [
            ("newstore-event-receiver", "copy", "--config", config, "--to", target),
            ("newstore-stock-ledger", "--ledger-url", source, "copy", "--to", target),
        ]
        for name, *arguments in commands:
            assert_done(run_plugin(name, tmp_path, None, *arguments))
        # The old receiver refuses it, NewStore sends it again.
        shop.newstore.sell("DC01", "A")
        shop.receiver.process.wait_for("was moved by")
        assert shop.run_part(TAP) == 1

        shop.receiver.process.stop()
        shop.receiver = Receiver(tmp_path, landing_url=target, receiver_port=port)
        with shop.receiver:
            shop.newstore.wait_for_delivery()
            shop.settings[TAP]["landing_url"] = shop.settings[MAPPER]["ledger_url"] = target
            state = dict(shop.state or {})
            assert shop.run().codes == (0, 0, 0)
            shop.assert_in_sync()
            bookmark = (shop.state or {})["bookmarks"]
            assert bookmark["fulfillment_events"]["store_id"] == state["bookmarks"]["fulfillment_events"]["store_id"]
            assert bookmark["stock"]["cut"] > state["bookmarks"]["stock"]["cut"]
            assert bookmark["fulfillment_events"]["replication_key_value"] > unknown_to_the_ledger
            shop.sell("A", "B")
            assert shop.run().codes == (0, 0, 0)
            shop.assert_in_sync()


def assert_done(run: t.Any) -> None:
    assert (run.code, "rows: set" in run.output) == (0, True), run.log
