"""A NewStore held to the table of its event-stream API, and who calls the commands around it."""

from __future__ import annotations

import typing as t

import pytest

from tests.sandbox.webhook import serving
from tests.shop.event_stream_contract import ContractProxy
from tests.shop.newstore import NewStore
from tests.tap.registration import Operator

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.sandbox.webhook import Webhook


@pytest.fixture
def newstore(tmp_path: Path) -> Iterator[NewStore]:
    """A NewStore whose event-stream API keeps to the table of newstore-api.md, and so must who calls it."""
    with NewStore(tmp_path, token_seconds=60) as newstore, ContractProxy(newstore.url) as proxy:
        newstore.add_location("DC01")
        newstore.url = proxy.url
        yield newstore
        assert proxy.violations() == []


@pytest.fixture
def operator(tmp_path: Path, newstore: NewStore) -> Operator:
    return Operator(tmp_path, newstore)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with serving() as server:
        yield server
