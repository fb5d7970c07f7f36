"""The ERP of the tests of proof."""

from __future__ import annotations

import typing as t

import pytest

from tests.mapper.sql_erp import SKU, SqlErp, at

if t.TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def erp(tmp_path: Path) -> SqlErp:
    erp = SqlErp(tmp_path / "erp.db")
    erp.count(*SKU, 10, at(0))
    return erp
