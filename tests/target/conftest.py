"""A sandbox per test, with a distribution centre and a store; or a server that answers as it is told."""

from __future__ import annotations

import typing as t

import pytest
from target_newstore_stock.auth import NewStoreAuthenticator
from target_newstore_stock.client import NewStoreClient

from tests.shop.newstore import NewStore
from tests.shop.scripted_http import ScriptedHttp

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def newstore(tmp_path: Path) -> Iterator[NewStore]:
    with NewStore(tmp_path, import_seconds=0) as newstore:
        newstore.add_location("DC01")
        newstore.add_location("NYC1", "store")
        yield newstore


@pytest.fixture
def server() -> Iterator[ScriptedHttp]:
    """Return what answers in NewStore's place, as the test says."""
    with ScriptedHttp().serving() as server:
        yield server


@pytest.fixture
def client(server: ScriptedHttp) -> NewStoreClient:
    """Return a client of that server that waits for nothing."""
    authenticator = NewStoreAuthenticator(client_id="c", client_secret="s", auth_endpoint=server.settings["auth_url"])
    return NewStoreClient(server.url, authenticator, sleep=lambda _: None)
