"""A concurrent second run fails at once, and the first goes on (fault F15)."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import typing as t

import pytest
from mapper_newstore_stock.ledger.store import Ledger

from tests.faults.players.forked_shop import MAPPER, ForkedShop
from tests.shop.process import wait_until

if t.TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from tests.shop.postgresql import PostgreSql


def split(shop: ForkedShop) -> None:
    """Sell so that the next run has two cuts, of which the second contains both keys."""
    shop.settings[MAPPER]["max_cut_items"] = 1
    for product in ("A", "B"):
        shop.stock(product, 100)
    assert shop.run().codes == (0, 0, 0)
    shop.sell("A")
    shop.sell("B")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ForkedShop]:
    with ForkedShop(tmp_path, f"sqlite:///{tmp_path / 'database.db'}") as shop:
        split(shop)
        yield shop


def wait_for_an_import(shop: ForkedShop) -> None:
    """Wait until the starting run has imported its first cut; no job is open until its next one."""
    wait_until(lambda: shop.newstore.ranges()[-1:] != [None], "the first import")


@contextlib.contextmanager
def run_between_two_imports(
    shop: ForkedShop, variables: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Yield a run whose target has made the first import, and stands still until it is told to go on."""
    with shop.run_that_hangs(variables, import_interval_seconds=5) as run:
        wait_for_an_import(shop)
        run.send_signal(signal.SIGSTOP)
        yield run


@pytest.mark.fault("F15")
def test_f15_a_second_run_between_two_imports_is_refused_and_the_first_goes_on(shop: ForkedShop) -> None:
    """The first run's mapper has released the ledger by then, so it is the target that refuses."""
    with run_between_two_imports(shop) as first:
        shop.sell("B")
        second = shop.run()
        assert second.codes == (0, 0, 1)
        assert f"another run imports for newstore-stock-sync-demo: process {first.pid} on host" in second.log
        assert "Traceback" not in second.log
        first.send_signal(signal.SIGCONT)
        assert first.wait(60) == 0
    shop.assert_never_oversold()
    assert shop.run().codes == (0, 0, 0)
    shop.assert_in_sync()


@pytest.mark.fault("F15")
def test_f15_of_two_runs_on_two_hosts_the_one_with_older_numbers_gives_way(shop: ForkedShop, tmp_path: Path) -> None:
    """A different temporary directory stands for another host, where the lock is not visible."""
    (tmp_path / "other-host").mkdir()
    with run_between_two_imports(shop, {"TMPDIR": str(tmp_path / "other-host")}) as first:
        shop.sell("B")
        assert shop.run().codes == (0, 0, 0)
        first.send_signal(signal.SIGCONT)
        assert first.wait(60) == 1
        assert first.stderr
        assert "another run has overtaken this one: it imports cut" in first.stderr.read()
    shop.assert_in_sync()


@pytest.mark.fault("F15")
def test_f15_a_killed_run_blocks_nobody(shop: ForkedShop) -> None:
    with shop.run_that_hangs(import_interval_seconds=60) as first:
        wait_for_an_import(shop)
        first.kill()
        first.wait(60)
    assert shop.run().codes == (0, 0, 0)
    shop.assert_in_sync()


@pytest.mark.fault("F15")
def test_f15_a_ledger_held_from_another_host_is_refused_with_the_hosts_name(
    tmp_path: Path, postgresql: PostgreSql, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ForkedShop(tmp_path, postgresql.new_database()) as shop:
        shop.stock("A", 10)
        shop.sell("A")
        with monkeypatch.context() as other_host:
            other_host.setattr(socket, "gethostname", lambda: "other-host")
            held = Ledger.at(shop.url)
        refused = shop.run()
        assert refused.codes == (0, 1, 0)
        assert f"the ledger is in use: process {os.getpid()} on host other-host, since" in refused.log
        assert shop.newstore.imports() == []
        held.close()
        assert shop.run().codes == (0, 0, 0)
        shop.assert_in_sync()
