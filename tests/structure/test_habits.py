"""What a contributor relies on: where changes go, which hooks of the SDK are overridden, what packages say."""

from __future__ import annotations

import collections
import re
import tomllib
import typing as t

import yaml
from mapper_newstore_stock.mapper import MapperNewStoreStock
from mapper_newstore_stock.messages import MessageReader as MapperReader
from mapper_newstore_stock.messages import MessageWriter
from tap_newstore_fulfillment.streams import LandingStream
from tap_newstore_fulfillment.tap import TapNewStoreFulfillment
from target_newstore_stock.auth import NewStoreAuthenticator
from target_newstore_stock.messages import MessageReader as TargetReader
from target_newstore_stock.sinks import StockSink
from target_newstore_stock.target import TargetNewStoreStock

from tests.structure.packages import PACKAGES, ROOT, modules

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
#: Our classes that stand on the SDK's, as CONTRIBUTING names them.
ON_THE_SDK: dict[str, type] = {
    "`TapNewStoreFulfillment`": TapNewStoreFulfillment,
    "`LandingStream`": LandingStream,
    "`MapperNewStoreStock`": MapperNewStoreStock,
    "`MessageReader` of the mapper": MapperReader,
    "`MessageWriter`": MessageWriter,
    "`TargetNewStoreStock`": TargetNewStoreStock,
    "`StockSink`": StockSink,
    "`MessageReader` of the target": TargetReader,
    "`NewStoreAuthenticator`": NewStoreAuthenticator,
}


def test_contributing_lists_every_private_hook_of_the_sdk_that_is_overridden() -> None:
    overridden = {name: _private_overrides(ours) for name, ours in ON_THE_SDK.items()}
    listed = {name: re.findall(r"`(\w+)`", hooks) for name, hooks in _rows("## When singer-sdk is raised")}
    assert listed == {name: hooks for name, hooks in overridden.items() if hooks}


def test_every_place_a_change_goes_to_exists() -> None:
    rows = _rows("## Where a change goes")
    assert len(rows) >= 5
    for _, places in rows:
        for path in re.findall(r"`([\w./-]+\.py)`", places):
            assert (ROOT / path).is_file(), path


def test_the_packages_say_alike_who_made_them_and_where_they_are_kept() -> None:
    projects = [_project(package) for package in PACKAGES]
    for name in ("authors", "classifiers", "urls", "license", "requires-python", "version"):
        assert len({repr(project[name]) for project in projects}) == 1, name


def test_a_library_several_packages_need_has_one_floor() -> None:
    floors: dict[str, set[str]] = collections.defaultdict(set)
    for package in PACKAGES:
        for line in _project(package)["dependencies"]:
            name, bounds = re.fullmatch(r"([\w-]+(?:\[\w,]+\])?)(.*)", line).groups()  # type: ignore[union-attr]
            floors[name].add(bounds)
    assert not {name: bounds for name, bounds in floors.items() if len(bounds) > 1}


def test_the_workflow_runs_every_python_the_packages_name() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    versions = workflow["jobs"]["test"]["strategy"]["matrix"]["python"]
    classifiers = _project("tap_newstore_fulfillment")["classifiers"]
    assert [f"Programming Language :: Python :: {version}" for version in versions] == [
        line for line in classifiers if ":: Python :: 3." in line
    ]


def test_nothing_that_stands_open_reads_a_url_that_a_host_header_begins() -> None:
    for package in ("tap_newstore_fulfillment", "mapper_newstore_stock"):
        assert not [module for module in modules(package) if "request.url." in module.read_text(encoding="utf-8")]


def test_nothing_is_used_that_sqlalchemy_2_1_deprecates() -> None:
    """Packages may get it; here Meltano keeps version 2.0, which says nothing."""
    for package in PACKAGES:
        assert not [module for module in modules(package) if ".tuples()" in module.read_text(encoding="utf-8")]


def _project(package: str) -> dict[str, t.Any]:
    text = (PACKAGES[package].parent / "pyproject.toml").read_text(encoding="utf-8")
    return t.cast("dict[str, t.Any]", tomllib.loads(text)["project"])


def _private_overrides(ours: type) -> list[str]:
    """Return the private methods and properties of the SDK that a class of ours defines anew."""
    inherited = {name for base in ours.__mro__[1:] if base.__module__.startswith("singer_sdk") for name in vars(base)}
    return sorted(
        name
        for name, value in vars(ours).items()
        if name.startswith("_") and not name.startswith("__") and name in inherited
        if callable(value) or isinstance(value, property)
    )


def _rows(heading: str) -> list[tuple[str, str]]:
    """Return the rows of the table below a heading: the first cell, and the rest."""
    section = CONTRIBUTING.partition(heading)[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    return [(first.strip(), rest) for first, _, rest in (line[2:].partition(" | ") for line in lines)]
