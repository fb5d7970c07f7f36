"""The primary of a PostgreSQL cluster is killed under load and its standby promoted; FAILOVERS says how often.

With a synchronous standby nothing is lost and nobody's hand is needed. With one that lags every loss is noticed by
the receiver itself and healed by its audit.
"""

from __future__ import annotations

import os
import typing as t

import pytest
from tap_newstore_fulfillment.landing.losses import Losses
from tap_newstore_fulfillment.landing.store import LandingStore

from tests.faults.players.failing_over import ShopOnACluster
from tests.faults.reports.reporting import LINE
from tests.shop.cluster import Cluster
from tests.shop.warm_start import Forks
from tests.tap.test_looking_after_the_store import keep

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.reports.reporting import Record

FAILOVERS = int(os.environ.get("FAILOVERS", "1"))
#: In every so many failovers an import is made before the loss is healed.
RUNS_EACH = 2


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks() as forks:
        yield forks


@pytest.mark.fault("F34")
def test_nothing_is_lost_or_oversold_with_a_synchronous_standby(
    tmp_path: Path, forks: Forks, record_property: Record
) -> None:
    with Cluster(is_synchronous=True) as cluster, ShopOnACluster(tmp_path, cluster, forks) as shop:
        told = [shop.fail_over_synchronously(seed) for seed in range(FAILOVERS)]
    events = sum(one.acknowledged for one in told)
    line = (
        f"{len(told)} failovers to a synchronous standby: {events} events under load, 0 lost, 0 units oversold; "
        f"{sum(one.has_cut_a_run for one in told)} of them cut a run, and the next one was exact"
    )
    record_property(LINE, line)


@pytest.mark.fault("F34")
def test_each_loss_of_a_standby_that_lags_is_noticed_and_healed(
    tmp_path: Path, forks: Forks, record_property: Record
) -> None:
    with Cluster(is_synchronous=False) as cluster, ShopOnACluster(tmp_path, cluster, forks) as shop:
        told = [shop.fail_over_with_loss(seed, runs=seed % RUNS_EACH == 0) for seed in range(FAILOVERS)]
    line = (
        f"{len(told)} failovers to a standby that lagged: {sum(one.lost for one in told)} events lost, "
        f"{sum(one.found for one in told)} found by the receiver itself; {sum(one.oversold for one in told)} units "
        f"oversold before the audits in {sum(one.oversold > 0 for one in told)} of them, 0 after; reported at most "
        f"{sum(one.unit_minutes for one in told):.2f} unit-minutes"
    )
    record_property(LINE, line)


def assert_a_failover_is_noticed(cluster: Cluster) -> None:
    """Lose an acknowledged event in a failover, and check that it is noticed."""
    store = LandingStore(cluster.new_database())
    keep(store, 10)
    cluster.stop_following()
    keep(store, 11)
    cluster.primary.kill()
    cluster.promote()
    keep(store, 12)
    store.losses.look()
    noticed = [loss.evidence for loss in store.losses.open()]
    store.close()
    cluster.rejoin()
    assert [evidence.rpartition(":")[2] for evidence in noticed] == ["11"], "a stale standby unnoticed"


def test_a_receiver_that_does_not_notice_a_stale_standby_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    with Cluster(is_synchronous=False) as cluster:
        assert_a_failover_is_noticed(cluster)
        monkeypatch.setattr(Losses, "_gone", lambda _losses, _remembered: [])
        with pytest.raises(AssertionError, match="a stale standby unnoticed"):
            assert_a_failover_is_noticed(cluster)
