"""The same orders give the same records through the webhook and through export files."""

from __future__ import annotations

import typing as t

from tests.shop.newstore import NewStore
from tests.shop.plugin import run_plugin
from tests.shop.receiver import Receiver
from tests.tap.export_files import ExportTap

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.object_store import ObjectStore

UNTIDY = {"files": 5, "packed": "some", "duplicates": 0.3, "shuffle": True, "temp_lines": True}

Records = list[dict[str, t.Any]]


def without_arrival(records: Records) -> Records:
    """Return records without `received_at`, which differs between the sources."""
    return [{name: value for name, value in record.items() if name != "received_at"} for record in records]


def in_order(records: Records) -> Records:
    """Return records in order of their logical timestamps."""
    return sorted(records, key=lambda record: record["logical_timestamp"])


def test_export_files_give_the_records_the_webhook_gives(tmp_path: Path, object_store: ObjectStore) -> None:
    prefix = f"s3://{object_store.bucket}/events"
    with (
        Receiver(tmp_path) as receiver,
        NewStore(tmp_path, object_store.variables, webhook_url=receiver.events_url) as newstore,
    ):
        newstore.add_location("DC01")
        newstore.disturb_delivery(duplicates=0.3, shuffle=20, delay_seconds=0.1, seed=1)
        for _ in range(30):
            newstore.sell("DC01", "A", "B")
        newstore.fail(newstore.order("DC01", "A", force=True))
        newstore.wait_for_delivery()
        newstore.write_export_files(prefix, late_uploads=2, seed=1, **UNTIDY)
        settings = {"landing_url": receiver.landing_url, "settle_seconds": 0}
        by_webhook = run_plugin("tap-newstore-fulfillment", tmp_path, settings).records

        (tmp_path / "export").mkdir()
        tap = ExportTap(tmp_path / "export", prefix, object_store.variables)
        first = tap.run().records
        newstore.upload_late_files(prefix)
        late = tap.run().records
        assert tap.run().records == []
        tap.state = {}
        whole = tap.run().records
    assert len(by_webhook) == 62
    assert late
    assert without_arrival(in_order(first + late)) == without_arrival(by_webhook)
    assert without_arrival(in_order(whole)) == without_arrival(by_webhook)
    # Read again from the start, late records still come after higher timestamps.
    came_late = [record for record in late if record["logical_timestamp"] <= first[-1]["logical_timestamp"]]
    in_time = whole[: -len(came_late)]
    assert came_late
    assert whole == in_order(in_time) + came_late
