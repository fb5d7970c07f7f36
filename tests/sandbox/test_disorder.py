"""Deliveries and export files as untidy as NewStore's promise allows (wire contract, section 4)."""

from __future__ import annotations

import gzip
import json
import re
import typing as t

import pytest

from tests.shop.newstore import NewStore

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.sandbox.webhook import Webhook


@pytest.fixture
def newstore(tmp_path: Path, webhook: Webhook) -> Iterator[NewStore]:
    with NewStore(tmp_path, webhook_url=webhook.url) as newstore:
        newstore.add_location("DC01")
        yield newstore


def sell_twenty(newstore: NewStore) -> None:
    """Publish the logical timestamps 1 to 40, then release all deliveries at once."""
    newstore.pause_delivery()
    for _ in range(20):
        newstore.sell("DC01", "A")
    newstore.resume_delivery()
    newstore.wait_for_delivery()


def test_duplicates_are_delivered_beside_the_originals(newstore: NewStore, webhook: Webhook) -> None:
    newstore.disturb_delivery(duplicates=0.5, seed=1)
    sell_twenty(newstore)
    assert sorted(set(webhook.timestamps)) == list(range(1, 41))
    assert 45 < len(webhook.timestamps) < 75


def test_shuffled_deliveries_come_in_another_order(newstore: NewStore, webhook: Webhook) -> None:
    newstore.disturb_delivery(shuffle=10, seed=1)
    sell_twenty(newstore)
    assert webhook.timestamps != sorted(webhook.timestamps)
    assert sorted(webhook.timestamps) == list(range(1, 41))


def test_delayed_deliveries_overtake_each_other_and_all_arrive(newstore: NewStore, webhook: Webhook) -> None:
    newstore.disturb_delivery(delay_seconds=0.5, seed=1)
    sell_twenty(newstore)
    assert webhook.timestamps != sorted(webhook.timestamps)
    assert sorted(webhook.timestamps) == list(range(1, 41))


def test_disorder_can_be_an_option(tmp_path: Path, webhook: Webhook) -> None:
    with NewStore(tmp_path, webhook_url=webhook.url, duplicates=1, shuffle=10, delivery_seed=1) as newstore:
        newstore.add_location("DC01")
        sell_twenty(newstore)
    assert sorted(webhook.timestamps) == sorted([*range(1, 41)] * 2)
    assert webhook.timestamps != sorted(webhook.timestamps)


def test_an_event_that_is_sent_again_is_not_overtaken(newstore: NewStore, webhook: Webhook) -> None:
    webhook.statuses = [503, 503]
    webhook.retry_after = "1"
    sell_twenty(newstore)
    assert webhook.timestamps == [1, 1, *range(1, 41)]


def test_an_unknown_kind_of_disorder_is_400(newstore: NewStore) -> None:
    with pytest.raises(AssertionError, match="chaos: expected one of delay_seconds, duplicates, shuffle"):
        newstore.disturb_delivery(chaos=1)


def lines(directory: Path) -> dict[str, list[bytes]]:
    """Return the lines of each file, in order of the file names."""
    found = {}
    for file in sorted((directory / "demo").iterdir()):
        content = file.read_bytes()
        found[file.name] = (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).splitlines()
    return found


def timestamps(files: dict[str, list[bytes]]) -> list[int]:
    bodies = [json.loads(line) for part in files.values() for line in part if line not in (b"", b"temp")]
    return [body["payload"]["logical_timestamp"] for body in bodies]


def test_export_files_hold_the_events_published_since_the_last_ones(newstore: NewStore, tmp_path: Path) -> None:
    newstore.sell("DC01", "A")
    (first,) = newstore.write_export_files(tmp_path / "exports")
    newstore.sell("DC01", "A")
    (second,) = newstore.write_export_files(tmp_path / "exports")
    files = lines(tmp_path / "exports")
    assert list(files) == [first, second]
    assert re.fullmatch(r"\d{13}-data-[0-9a-f]{8}\.export", first)
    assert timestamps(files) == [1, 2, 3, 4]
    assert [json.loads(line) for line in files[first]] == [event["body"] for event in newstore.events()[:2]]


def test_export_files_can_be_untidy(newstore: NewStore, tmp_path: Path) -> None:
    sell_twenty(newstore)
    options = {"files": 4, "packed": "some", "duplicates": 0.5, "shuffle": True, "temp_lines": True, "seed": 1}
    newstore.write_export_files(tmp_path / "exports", **options)
    files = lines(tmp_path / "exports")
    written = timestamps(files)
    assert len(files) == 5
    assert list(files.values())[-1] == []
    assert all(b"temp" in part for part in list(files.values())[:4])
    assert written != sorted(written)
    assert set(written) == set(range(1, 41))
    assert len(written) > 45
    packed = [file.read_bytes()[:2] == b"\x1f\x8b" for file in (tmp_path / "exports" / "demo").iterdir()]
    assert sum(packed) == 2


def test_late_uploads_sort_before_the_files_uploaded_earlier(newstore: NewStore, tmp_path: Path) -> None:
    sell_twenty(newstore)
    names = newstore.write_export_files(tmp_path / "exports", files=4, late_uploads=2)
    assert list(lines(tmp_path / "exports")) == names[2:]
    assert newstore.upload_late_files(tmp_path / "exports") == names[:2]
    assert timestamps(lines(tmp_path / "exports")) == list(range(1, 41))
