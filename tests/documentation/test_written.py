"""Generated documentation agrees with the plugins; `make docs` generates it."""

from __future__ import annotations

import typing as t

import pytest
import yaml

from tests.documentation.plugins import PLUGINS, PROJECT, UTILITIES, Plugin, Utility, meltano_project, package
from tests.documentation.written import HUB, pages

#: Keys that every definition on Meltano Hub needs.
NEEDED = {"name", "namespace", "label", "variant", "pip_url", "settings", "description", "maintenance_status"}


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(PROJECT)))
def test_generated_pages_are_what_make_docs_writes(path: t.Any) -> None:
    assert path.read_text(encoding="utf-8") == pages()[path], "run make docs"


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_every_setting_is_in_the_readme(plugin: Plugin) -> None:
    readme = (plugin.directory / "README.md").read_text(encoding="utf-8")
    for name, schema in plugin.settings().items():
        assert f"| `{name}` |" in readme
        assert schema["description"] in readme


@pytest.mark.parametrize("plugin", [*PLUGINS, *UTILITIES], ids=lambda plugin: plugin.name)
def test_the_hub_definition_agrees_with_meltano_yml(plugin: Plugin | Utility) -> None:
    defined = yaml.safe_load((HUB / plugin.kind / f"{plugin.name}.yml").read_text(encoding="utf-8"))
    assert defined.keys() >= NEEDED
    ours = plugin.in_meltano()
    for name in ("namespace", "executable", "capabilities", "log_parser", "select", "mappings", "commands"):
        assert defined.get(name) == ours.get(name), name
    for entry, own in zip(defined["settings"], ours["settings"], strict=True):
        entry.pop("value", None)
        assert entry == own
    known = set(plugin.settings())
    assert all(set(group) <= known for group in defined.get("settings_group_validation", ()))


@pytest.mark.parametrize("plugin", [*PLUGINS, *UTILITIES], ids=lambda plugin: plugin.name)
def test_the_hub_definition_installs_from_git_and_not_a_name_anybody_may_register(plugin: Plugin | Utility) -> None:
    defined = yaml.safe_load((HUB / plugin.kind / f"{plugin.name}.yml").read_text(encoding="utf-8"))
    name, _, place = defined["pip_url"].partition("@git+")
    assert name.partition("[")[0] == package(plugin.directory)["name"]
    repository, _, directory = place.partition(".git#subdirectory=")
    assert repository == defined["repo"]
    assert PROJECT / directory == plugin.directory


def test_capabilities_in_meltano_yml_are_the_plugins_own() -> None:
    for plugin in PLUGINS:
        said = set(plugin.in_meltano().get("capabilities", ()))
        assert said <= set(plugin.about()["capabilities"]), plugin.name


def test_every_setting_named_in_env_example_exists() -> None:
    known = {"MELTANO_ENVIRONMENT", "MELTANO_STATE_BACKEND_URI", "MELTANO_DATABASE_URI"}
    for kind in meltano_project()["plugins"].values():
        for plugin in kind:
            for setting in plugin.get("settings", ()):
                name = f"{plugin['namespace']}_{setting['name']}".upper()
                known.add(setting.get("env", name))
    lines = (PROJECT / ".env.example").read_text(encoding="utf-8").splitlines()
    named = [line.removeprefix("# ").partition("=")[0] for line in lines if "=" in line]
    assert named
    assert set(named) <= known
