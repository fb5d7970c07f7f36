"""One sandbox for all tests of a module; each test uses names of its own."""

from __future__ import annotations

import typing as t

import pytest

from tests.shop.newstore import NewStore

if t.TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def newstore(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewStore]:
    with NewStore(tmp_path_factory.mktemp("newstore"), import_seconds=0) as newstore:
        newstore.add_location("DC01")
        newstore.add_location("NYC1", "store")
        yield newstore
