"""A sweep over many tenants (docs/schedulers/sweep): what is wrong with one holds up no other."""

from __future__ import annotations

import contextlib
import functools
import re
import socket
import threading
import typing as t

import pytest

from tests.shop.newstore import NewStore
from tests.shop.process import wait_until
from tests.shop.tenants import NODE, UNITS, Tenants

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SWEEP_SECONDS = 300
GOOD = ("good-1", "good-2")
#: A refused event: no range may cover its timestamp.
POISON = b'{"payload": {"logical_timestamp": 11}}'
BROKEN, HUNG, POISONED = "broken", "hung", "poisoned"


class SilentServer:
    """Takes connections and never answers. Use it in a `with` block: at its end all connections break."""

    def __enter__(self) -> t.Self:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._taken: list[socket.socket] = []
        threading.Thread(target=self._take, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/on_hand.csv"
        return self

    def __exit__(self, *_error: object) -> None:
        # A thread that waits in accept() would keep the socket open.
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for taken in self._taken:
            taken.close()

    def _take(self) -> None:
        while True:
            try:
                self._taken.append(self._listening.accept()[0])
            except OSError:
                return


@pytest.fixture
def newstore(tmp_path: Path) -> Iterator[NewStore]:
    with NewStore(tmp_path, import_seconds=0) as newstore:
        yield newstore


def test_a_broken_a_hung_and_a_poisoned_tenant_hold_up_no_other(tmp_path: Path, newstore: NewStore) -> None:
    tenants = Tenants(tmp_path / "tenants", newstore)
    with SilentServer() as silent:
        settings = {
            BROKEN: {"TARGET_NEWSTORE_STOCK_CLIENT_SECRET": "wrong"},
            HUNG: {"MAPPER_NEWSTORE_STOCK_ON_HAND_URL": silent.url},
        }
        for name in (*GOOD, BROKEN, HUNG, POISONED):
            with contextlib.closing(tenants.add(name, **settings.get(name, {}))) as landing:
                tenants.complete(name, landing)
                if name == POISONED:
                    landing.add_rejected(POISON, path="/events", reason="no items", received_at=0)
        sweep = tenants.sweep(SIDE_BY_SIDE="2")
        for name in (*GOOD, POISONED):
            wait_until(functools.partial(has_left, newstore, name), f"the import of {name}", SWEEP_SECONDS)
        assert sweep.poll() is None
    said, _ = sweep.communicate(timeout=SWEEP_SECONDS)
    assert sweep.returncode != 0
    assert sorted(re.findall(r"^(?:\./)?(\S+): newstore-stock-sync ended", said, re.MULTILINE)) == [BROKEN, HUNG]
    assert "leave holes at logical timestamps 11:" in tenants.log(POISONED)


def test_a_tenant_that_does_not_end_is_ended_and_named(tmp_path: Path, newstore: NewStore) -> None:
    tenants = Tenants(tmp_path / "tenants", newstore)
    with SilentServer() as silent:
        tenants.add(HUNG, MAPPER_NEWSTORE_STOCK_ON_HAND_URL=silent.url).close()
        said, _ = tenants.sweep(MOST="4s").communicate(timeout=SWEEP_SECONDS)
    assert f"{HUNG}: no end after 4s" in said


def test_a_sweep_beside_one_that_still_goes_on_leaves_its_tenants_alone(tmp_path: Path, newstore: NewStore) -> None:
    tenants = Tenants(tmp_path / "tenants", newstore)
    with SilentServer() as silent:
        tenants.add(HUNG, MAPPER_NEWSTORE_STOCK_ON_HAND_URL=silent.url).close()
        first = tenants.sweep()
        wait_until(lambda: tenants.log(HUNG), "the first sweep", SWEEP_SECONDS)
        second = tenants.sweep()
        said, _ = second.communicate(timeout=SWEEP_SECONDS)
        assert f"{HUNG}: the run before this one is still going on" in said
        assert second.returncode != 0
        assert first.poll() is None
    first.communicate(timeout=SWEEP_SECONDS)


def has_left(newstore: NewStore, product: str) -> bool:
    """Return whether NewStore has the number without the unit that was completed."""
    known = {(row["fulfillment_node_id"], row["product_id"]): row["on_hand"] for row in newstore.truth()["keys"]}
    return known.get((NODE, product)) == UNITS - 1
