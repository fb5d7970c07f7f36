"""Trials of lost events: rows dropped, a backup restored, a proxy that answers 200 and forgets.

Each is found and healed within one audit; AUDIT_TRIALS says how many. A standby that is promoted while it lags is
in tests/tap/test_store_goes_back.py.
"""

from __future__ import annotations

import json
import os
import typing as t

import pytest
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.audits import Audits, Period
from tap_newstore_fulfillment.landing.release import Bookmark
from tap_newstore_fulfillment.landing.store import Added, LandingStore

from tests.faults.players.losing_shop import LosingShop
from tests.faults.reports.reporting import LINE
from tests.shop.warm_start import Forks
from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.faults.reports.reporting import Record

TRIALS = int(os.environ.get("AUDIT_TRIALS", "6"))
#: In every so many trials imports are made, and NewStore's number is compared with the shelf.
RUNS_EACH = 3


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks() as forks:
        yield forks


@pytest.mark.fault("F32")
def test_each_loss_is_found_and_healed_within_one_audit(
    tmp_path: Path, database_url: str, forks: Forks, record_property: Record
) -> None:
    with LosingShop(tmp_path, database_url, forks) as shop:
        told = [shop.trial(seed, runs=seed % (RUNS_EACH + 1) == 0) for seed in range((TRIALS + 1) // 2)]
    oversold = [one.oversold for one in told if one.oversold is not None]
    database = database_url.partition(":")[0].partition("+")[0]
    line = (
        f"{len(told)} losses on {database}: {sum(one.lost for one in told)} events, all found by one audit each; "
        f"{sum(oversold)} units oversold before the audits in {len(oversold)} of them, 0 after; reported at most "
        f"{sum(one.unit_minutes for one in told):.2f} unit-minutes"
    )
    record_property(LINE, line)


def audited(store: LandingStore) -> set[int]:
    """Let an audit of events 1 to 6 come, of which 2 is gone and another has come by hand; return what it found."""
    events = [check_event(json.dumps(an_event(at, request=f"fr-{at}")).encode()) for at in range(1, 8)]
    store.add([event for event in events if event.logical_timestamp != 2])
    store.audits.begin("one", Period(0, 2**42))
    store.add_audited([("one", event) for event in events[:6]])
    found = {row.logical_timestamp for part in store.audits.lost("one") for row in part}
    kept = store.plan_release(Bookmark(), now=2**42)
    released = {row.logical_timestamp for part in store.released(kept) for row in part}
    assert released == set(range(1, 8)), "what was lost is not stored again"
    return found


def test_an_audit_that_compares_only_counts_is_caught(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LandingStore(database_url)
    known = Audits.known

    def as_many(audits: Audits, connection: t.Any, events: Sequence[t.Any]) -> set[str]:
        found = known(audits, connection, events)
        kept = connection.exec_driver_sql("SELECT count(*) FROM fulfillment_event").scalar()
        return {event.event_id for event in events} if kept >= len(events) else found

    with monkeypatch.context() as patch:
        patch.setattr(Audits, "known", as_many)
        assert audited(store) == set()
    store.close()


def test_the_same_audit_compares_id_by_id(database_url: str) -> None:
    store = LandingStore(database_url)
    assert audited(store) == {2}
    store.close()


def test_an_audit_that_forgets_what_is_late_is_caught(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LandingStore(database_url)
    insert = LandingStore._insert

    def only_higher(self: LandingStore, connection: t.Any, events: Sequence[t.Any], moment: int) -> t.Any:
        highest = connection.exec_driver_sql("SELECT max(logical_timestamp) FROM fulfillment_event").scalar()
        kept = [event for event in events if highest is None or event.logical_timestamp > highest]
        return insert(self, connection, kept, moment) if kept else Added()

    monkeypatch.setattr(LandingStore, "_insert", only_higher)
    with pytest.raises(AssertionError, match="not stored again"):
        audited(store)
    store.close()
