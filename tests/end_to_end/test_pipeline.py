"""The whole pipeline as processes: events in, cuts out, judged by the true shelf."""

from __future__ import annotations

import json
import os
import signal
import typing as t

import pytest

from tests.shop.pipeline import Pipeline
from tests.shop.plugin import run_plugin
from tests.shop.process import wait_until

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.shop.newstore import NewStore


@pytest.fixture(params=["tenant", "file"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pipeline]:
    """A shop with one location, for each interpretation of what a range covers."""
    with Pipeline(tmp_path, range_scope=request.param) as shop:
        shop.newstore.add_location("DC01")
        yield shop


def quantities(newstore: NewStore) -> dict[tuple[str, str], tuple[int, int]]:
    """Return (on hand, ATP) per key."""
    rows = newstore.truth()["keys"]
    return {(row["fulfillment_node_id"], row["product_id"]): (row["on_hand"], row["atp"]) for row in rows}


def assert_in_sync(newstore: NewStore) -> None:
    """Check that NewStore never promised too much, and now promises exactly what is free."""
    truth = newstore.truth()
    assert truth["oversold"] == []
    assert [row for row in truth["keys"] if row["atp"] != row["free"]] == []


def test_ten_units_four_orders_and_a_delivery_of_ten(shop: Pipeline) -> None:
    shop.stock("DC01", "SKU-1", 10)
    orders = [shop.newstore.order("DC01", "SKU-1") for _ in range(4)]
    first, *_, last = [shop.newstore.ship(order) for order in orders[:3]]
    assert shop.run().codes == (0, 0, 0)
    assert quantities(shop.newstore) == {("DC01", "SKU-1"): (7, 6)}
    assert shop.newstore.ranges() == [(first, last)]
    shop.newstore.receive_goods("DC01", "SKU-1", 10)
    shop.erp.count("DC01", "SKU-1", 17, as_of=last)
    assert shop.run().codes == (0, 0, 0)
    assert quantities(shop.newstore) == {("DC01", "SKU-1"): (17, 16)}
    assert shop.newstore.ranges() == [(first, last), None]
    assert_in_sync(shop.newstore)


def test_running_twice_changes_nothing(shop: Pipeline) -> None:
    shop.stock("DC01", "SKU-1", 10)
    shop.newstore.sell("DC01", "SKU-1")
    shop.run()
    before = quantities(shop.newstore)
    assert shop.run().codes == (0, 0, 0)
    assert quantities(shop.newstore) == before
    assert len(shop.newstore.imports()) == 1


def test_replaying_the_same_events_changes_no_quantity(shop: Pipeline) -> None:
    shop.stock("DC01", "SKU-1", 10)
    for _ in range(3):
        shop.newstore.sell("DC01", "SKU-1")
    shop.run()
    before = quantities(shop.newstore)
    shop.newstore.redeliver(times=3, seed=1)
    assert shop.run().codes == (0, 0, 0)
    assert quantities(shop.newstore) == before
    assert_in_sync(shop.newstore)


@pytest.mark.fault("F16")
def test_losing_the_state_changes_no_quantity(shop: Pipeline) -> None:
    shop.stock("DC01", "SKU-1", 10)
    shop.stock("DC01", "SKU-2", 5)
    shop.newstore.sell("DC01", "SKU-1", "SKU-2")
    shop.run()
    before = quantities(shop.newstore)
    shop.state = None
    assert shop.run().codes == (0, 0, 0)
    assert quantities(shop.newstore) == before
    assert_in_sync(shop.newstore)


@pytest.mark.fault("F16")
def test_an_older_state_ends_with_the_right_numbers(shop: Pipeline) -> None:
    shop.stock("DC01", "SKU-1", 10)
    shop.newstore.sell("DC01", "SKU-1")
    shop.run()
    older = shop.state
    shop.newstore.sell("DC01", "SKU-1")
    shop.run()
    shop.state = older
    shop.newstore.sell("DC01", "SKU-1")
    assert shop.run().codes == (0, 0, 0)
    assert quantities(shop.newstore) == {("DC01", "SKU-1"): (7, 7)}
    assert_in_sync(shop.newstore)


@pytest.mark.fault("F11")
@pytest.mark.adapter_mistake("logged errors and reported success")
def test_a_failed_job_is_repeated_by_the_next_run(shop: Pipeline) -> None:
    shop.stock("DC01", "SKU-1", 10)
    sold = shop.newstore.sell("DC01", "SKU-1")
    shop.newstore.set_faults(fail_next_import="the moon is full")
    assert shop.run().codes == (0, 0, 1)
    assert shop.state is None
    assert shop.run().codes == (0, 0, 0)
    assert shop.newstore.ranges() == [(sold, sold)]
    assert_in_sync(shop.newstore)


@pytest.mark.fault("F14")
@pytest.mark.adapter_mistake("skipped the bad part but declared the whole range")
def test_a_key_without_a_row_is_held_and_its_completion_not_declared_until_the_row_is_there(shop: Pipeline) -> None:
    shop.stock("DC01", "SKU-1", 10)
    shop.newstore.set_stock("DC01", "SKU-2", 5)
    shop.newstore.sell("DC01", "SKU-1", "SKU-2")
    sold = shop.newstore.sell("DC01", "SKU-1")
    run = shop.run()
    assert run.codes == (0, 0, 0)
    assert "1 keys are held" in run.log
    assert "DC01/SKU-2" in run.log
    assert shop.newstore.ranges() == [(sold, sold)]
    # NewStore still subtracts the first completion by itself.
    assert quantities(shop.newstore) == {("DC01", "SKU-1"): (9, 8), ("DC01", "SKU-2"): (5, 4)}
    shop.erp.count("DC01", "SKU-2", 5)
    assert shop.run().codes == (0, 0, 0)
    assert quantities(shop.newstore) == {("DC01", "SKU-1"): (8, 8), ("DC01", "SKU-2"): (4, 4)}
    assert_in_sync(shop.newstore)


@pytest.mark.adapter_mistake("declared the whole range with every part")
@pytest.mark.parametrize("scope", ["tenant", "file"])
def test_a_split_cut_that_stops_halfway_never_oversells(tmp_path: Path, scope: str) -> None:
    with Pipeline(tmp_path, mapper={"max_cut_items": 2}, range_scope=scope) as shop:
        shop.newstore.add_location("DC01")
        for number in range(6):
            shop.stock("DC01", f"SKU-{number}", 10)
        shop.run()
        for number in (0, 1, 2, 3, 0, 4, 5, 0):
            shop.newstore.sell("DC01", f"SKU-{number}")
        states = run_until_first_state(shop)
        assert len(states) == 1
        assert not shop.newstore.truth()["ever_oversold"]
        assert shop.run().codes == (0, 0, 0)
        assert_in_sync(shop.newstore)


def run_until_first_state(shop: Pipeline) -> list[dict[str, t.Any]]:
    """Run until NewStore has the first cut, and let the next import fail."""
    shop.newstore.wait_for_delivery()
    done = len(shop.newstore.imports("finished"))
    processes = shop.start()
    wait_until(lambda: len(shop.newstore.imports("finished")) > done, "import")
    shop.newstore.set_faults(fail_next_import="half way")
    output, _ = processes[-1].communicate(timeout=60)
    states = [json.loads(line) for line in output.splitlines()]
    for process in processes:
        process.wait(60)
    shop.state = states[-1]
    return states[:1]


@pytest.mark.fault("F6", "F7")
@pytest.mark.parametrize(
    ("end_with", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_killing_the_mapper_in_mid_cut_imports_nothing_of_it(
    tmp_path: Path, end_with: signal.Signals, code: int
) -> None:
    """The cut is too large for the pipe; the mapper is killed while it writes, after the target has begun to read."""
    with Pipeline(tmp_path) as shop:
        shop.newstore.add_location("DC01")
        for number in range(3000):
            shop.erp.count_later("DC01", f"SKU-{number:04}", 10)
        shop.stock("DC01", "SKU-0000", 10)
        shop.newstore.sell("DC01", "SKU-0000")
        shop.newstore.wait_for_delivery()
        tap, mapper = shop.start(("tap-newstore-fulfillment", "mapper-newstore-stock"))
        assert mapper.stdout
        # Nobody reads any further, so the mapper fills the pipe (64 KiB) and blocks in the middle of the cut.
        with mapper.stdout as output:
            read = [output.readline() for _ in range(100)]
            os.kill(mapper.pid, end_with)
            rest = output.read()
        assert (tap.wait(60), mapper.wait(60)) == (0, code)
        messages = [json.loads(line) for line in ("".join(read) + rest).splitlines()[:-1]]
        received = [message["record"] for message in messages if message["type"] == "RECORD"]
        assert 0 < len(received) < received[0]["cut_size"] == 3000
        done = run_plugin("target-newstore-stock", tmp_path, shop.newstore.target_settings, messages=messages)
        assert (done.code, done.output) == (1, "")
        assert f"the input ended inside cut 1, after {len(received)} of 3000 records" in done.log
        assert shop.newstore.imports() == []
        assert shop.run().codes == (0, 0, 0)
        assert [job["size"] for job in shop.newstore.imports()] == [3000]
        assert shop.newstore.numbers("DC01", "SKU-0000")["atp"] == 9


@pytest.mark.fault("F9")
@pytest.mark.adapter_mistake("moved its bookmark when the job was queued")
def test_killing_the_target_before_its_import_ends_repeats_the_cut(tmp_path: Path) -> None:
    with Pipeline(tmp_path) as shop:
        shop.newstore.add_location("DC01")
        shop.stock("DC01", "SKU-1", 10)
        shop.newstore.sell("DC01", "SKU-1")
        shop.newstore.wait_for_delivery()
        shop.newstore.set_faults(hold_jobs=True)
        processes = shop.start()
        wait_until(lambda: shop.newstore.imports("waiting"), "waiting import")
        os.kill(processes[-1].pid, signal.SIGKILL)
        assert processes[-1].communicate(timeout=60)[0] == ""
        for process in processes:
            process.wait(60)
        shop.newstore.set_faults(hold_jobs=False)
        assert shop.run().codes == (0, 0, 0)
        assert len(shop.newstore.imports("finished")) == 2
        assert_in_sync(shop.newstore)


@pytest.mark.fault("F4")
def test_the_next_run_makes_up_for_a_late_event(shop: Pipeline) -> None:
    shop.stock("DC01", "SKU-1", 10)
    first = shop.newstore.sell("DC01", "SKU-1")
    shop.newstore.wait_for_delivery()
    late = first + 2
    envelope = event_of(shop.newstore, first)
    shop.newstore.pause_delivery()
    assert shop.newstore.sell("DC01", "SKU-1") == late
    # A higher timestamp arrives first, so the mark passes the event that is still under way.
    payload = {**envelope["payload"], "logical_timestamp": late + 100, "id": "x", "items": []}
    higher = {**envelope, "name": "fulfillment_request.items_ready_for_handover", "payload": payload}
    assert shop.receiver.post(higher).status_code == 200
    run_without_waiting(shop)
    shop.newstore.resume_delivery()
    assert shop.run().codes == (0, 0, 0)
    assert shop.newstore.ranges() == [(first, first), (late, late)]
    assert_in_sync(shop.newstore)


def event_of(newstore: NewStore, at: int) -> dict[str, t.Any]:
    """Return the body NewStore sent for a logical timestamp."""
    for event in newstore.events():
        if event["payload"]["logical_timestamp"] == at:
            return t.cast("dict[str, t.Any]", event["body"])
    raise AssertionError(f"no event at {at}")


def run_without_waiting(shop: Pipeline) -> None:
    processes = shop.start()
    output, _ = processes[-1].communicate(timeout=60)
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    shop.state = json.loads(output.splitlines()[-1])
