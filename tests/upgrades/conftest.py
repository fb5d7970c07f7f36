"""Databases for stores of earlier versions, of both kinds."""

from __future__ import annotations

import typing as t

import pytest

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.shop.postgresql import PostgreSql


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Return what gives the URL of a new database, by its name."""
    if request.param == "sqlite":
        return lambda name: f"sqlite:///{tmp_path / name}.db"
    server: PostgreSql = request.getfixturevalue("postgresql")
    return lambda _: server.new_database()


@pytest.fixture(params=["sqlite to postgresql", "postgresql to sqlite"])
def new_databases(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], tuple[str, str]]:
    """Return what gives the URLs of two new databases, each of another kind, by a name for both."""
    server: PostgreSql = request.getfixturevalue("postgresql")

    def new(name: str) -> tuple[str, str]:
        source, target = (
            f"sqlite:///{tmp_path / f'{name}-{number}'}.db" if kind == "sqlite" else server.new_database()
            for number, kind in enumerate(request.param.split(" to "))
        )
        return source, target

    return new
