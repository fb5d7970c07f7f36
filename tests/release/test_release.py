"""What would be published: two builds are byte-equal, hold what belongs in them, and declare what they import."""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import re
import sys
import tomllib
import typing as t

import pytest
import yaml

from tests.documentation.plugins import PROJECT
from tests.documentation.written import version
from tests.release.built import Built, build, run
from tests.shop.process import command
from tests.structure.packages import PACKAGES, modules

if t.TYPE_CHECKING:
    from pathlib import Path

WORKFLOWS = PROJECT / ".github" / "workflows"


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> t.Callable[[str], Built]:
    """Return what builds a package, once for all tests."""
    directory = tmp_path_factory.mktemp("built")
    return functools.cache(lambda package: build(PACKAGES[package].parent, directory))


@pytest.fixture(params=PACKAGES)
def built(request: pytest.FixtureRequest, built_once: t.Callable[[str], Built]) -> Built:
    return built_once(request.param)


def test_two_builds_of_a_package_are_the_same_bytes(built: Built, tmp_path: Path) -> None:
    again = build(built.package, tmp_path)
    for one, other in ((built.wheel, again.wheel), (built.source, again.source)):
        assert (one.name, one.read_bytes()) == (other.name, other.read_bytes())


def test_archives_hold_what_belongs_in_them_and_nothing_else(built: Built) -> None:
    assert list(built.problems()) == []


def test_metadata_say_what_a_user_has_to_know(built: Built) -> None:
    said = built.metadata
    assert (said["Name"], said["Version"]) == (built.package.name, version())
    assert (said["License-Expression"], said["License-File"]) == ("Apache-2.0", "LICENSE")
    assert said["Requires-Python"] == ">=3.11"
    assert said["Summary"]
    assert said["Description-Content-Type"] == "text/markdown"
    assert str(said.get_payload()).strip()
    assert {line.partition(",")[0] for line in said.get_all("Project-URL", [])} >= {"Repository", "Changelog", "Issues"}
    # The index takes no requirement that is a place.
    assert not [line for line in said.get_all("Requires-Dist", []) if "@" in line]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_declares_what_it_imports(package: str) -> None:
    project = tomllib.loads((PACKAGES[package].parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [
        *project["dependencies"],
        *(line for more in project.get("optional-dependencies", {}).values() for line in more),
    ]
    declared = {_normal(re.match(r"[\w.-]+", line)[0]) for line in lines}  # type: ignore[index]
    owners = importlib.metadata.packages_distributions()
    missing = {
        name
        for module in modules(package)
        for name in _imported(module)
        if name not in sys.stdlib_module_names and name != package
        if not declared & {_normal(owner) for owner in owners.get(name, [name])}
    }
    assert not missing


def test_the_changelog_has_the_version() -> None:
    headings = re.findall(r"^## (\S+)", (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == version()


def test_a_linter_finds_nothing_in_the_workflows() -> None:
    run(command("zizmor"), "--offline", "--no-progress", "--persona=regular", WORKFLOWS)


def test_only_what_publishes_may_and_only_from_what_was_checked_and_attested() -> None:
    jobs = yaml.safe_load((WORKFLOWS / "release.yml").read_text(encoding="utf-8"))["jobs"]
    writing = {name for name, job in jobs.items() if "write" in job.get("permissions", {}).values()}
    assert writing == {"attest", "publish"}
    assert (jobs["attest"]["needs"], jobs["publish"]["needs"]) == ("build", "attest")
    assert jobs["publish"]["environment"]["name"] == "pypi"
    assert any("make release-check" in step.get("run", "") for step in jobs["build"]["steps"])
    assert "secrets." not in (WORKFLOWS / "release.yml").read_text(encoding="utf-8")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _imported(module: Path) -> t.Iterator[str]:
    """Yield the first part of the names a module imports when it runs, not when it is only checked."""
    waiting: list[ast.AST] = [ast.parse(module.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)
