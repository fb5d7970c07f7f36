"""A sandbox per test, with a distribution centre and a store."""

from __future__ import annotations

import typing as t

import pytest

from tests.shop.newstore import NewStore

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def newstore(tmp_path: Path) -> Iterator[NewStore]:
    with NewStore(tmp_path, import_seconds=0) as newstore:
        newstore.add_location("DC01")
        newstore.add_location("NYC1", "store")
        yield newstore
