"""A pytest plugin that writes a file of which tests cover which fault; see test_catalogue.py."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

if t.TYPE_CHECKING:
    import pytest

MARKERS = ("fault", "adapter_mistake")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-catalogue", help="file that receives {marker: {argument: [test, …]}}")


def pytest_collection_finish(session: pytest.Session) -> None:
    found: dict[str, dict[str, list[str]]] = {marker: {} for marker in MARKERS}
    for item in session.items:
        for marker in MARKERS:
            for mark in item.iter_markers(marker):
                for argument in mark.args:
                    found[marker].setdefault(argument, []).append(item.nodeid)
    Path(session.config.getoption("--write-catalogue")).write_text(json.dumps(found), encoding="utf-8")
