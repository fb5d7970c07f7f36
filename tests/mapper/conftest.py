"""Fixtures: the ERP of the tests of proof, and what lists are kept with."""

from __future__ import annotations

import logging
import typing as t

import pytest
from mapper_newstore_stock.run import list_writer

from tests.mapper.shop_day import Ledgers
from tests.mapper.sql_erp import SKU, SqlErp, at

if t.TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def erp(tmp_path: Path) -> SqlErp:
    erp = SqlErp(tmp_path / "erp.db")
    erp.count(*SKU, 10, at(0))
    return erp


@pytest.fixture(scope="module")
def ledgers() -> tuple[Ledgers, Ledgers]:
    """Return where two ledgers are that read the same list."""
    return Ledgers(durable=False), Ledgers(durable=False)


@pytest.fixture
def short_lists_are_kept(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Keep lists however short they are, and hear all that is said of it."""
    monkeypatch.setattr(list_writer, "LEAST_BYTES", 0)
    caplog.set_level(logging.DEBUG, "mapper-newstore-stock")
