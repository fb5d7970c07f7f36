"""One sandbox per module, whose tests use distinct names, and one webhook per test."""

from __future__ import annotations

import typing as t

import pytest

from tests.sandbox.webhook import serving
from tests.shop.newstore import NewStore

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sandbox.webhook import Webhook


@pytest.fixture(scope="module")
def newstore(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewStore]:
    with NewStore(tmp_path_factory.mktemp("newstore"), import_seconds=0) as newstore:
        newstore.add_location("DC01")
        newstore.add_location("NYC1", "store")
        yield newstore


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with serving() as server:
        yield server
