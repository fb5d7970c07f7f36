"""What is generated from the plugins, and from the one version and licence of all packages: `make docs`."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import typing as t

import yaml

from tests.documentation.meltano_settings import with_settings
from tests.documentation.plugins import (
    EVENT_RECEIVER,
    PLUGINS,
    PROJECT,
    UTILITIES,
    Plugin,
    Utility,
    meltano_project,
    package,
)
from tests.structure.packages import PACKAGES

if t.TYPE_CHECKING:
    from pathlib import Path

BEGIN, END = "<!-- written by make docs: begin -->", "<!-- written by make docs: end -->"
HUB = PROJECT / "hub"
MELTANO_YML, README, OWN_PROJECT = PROJECT / "meltano.yml", PROJECT / "README.md", PROJECT / "docs" / "own-project.md"
ERRORS = PROJECT / "docs" / "errors.md"
VERSION, LICENSE = PROJECT / "VERSION", PROJECT / "LICENSE"
HUB_LABELS = {
    "tap-newstore-fulfillment": "NewStore Fulfilment Events",
    "mapper-newstore-stock": "NewStore Stock",
    "target-newstore-stock": "NewStore Stock",
    "event-receiver": "NewStore Event Receiver",
    "newstore-sandbox": "NewStore Sandbox",
    "erp-postgresql": "NewStore ERP on PostgreSQL",
}
#: What of a definition in meltano.yml is the same in every project, in this order.
SHARED = ("capabilities", "log_parser", "select", "mappings", "commands", "settings_group_validation")
#: `meltano add --from-ref` takes these from a variant only.
VARIANT = "newstore-stock-sync"
OF_A_VARIANT = {"log_parser", "select", "mappings"}


def pages() -> dict[Path, str]:
    """Return the text of every generated file, by path."""
    readmes = dict(_readme(plugin) for plugin in PLUGINS)
    hub = dict(_hub(plugin) for plugin in (*PLUGINS, EVENT_RECEIVER, *UTILITIES))
    own_project = _with_written(README, first_block(OWN_PROJECT))
    by_hand = {README: own_project, ERRORS: _with_written(ERRORS, errors_table())}
    return {MELTANO_YML: _meltano_yml(), **readmes, **hub, **by_hand, **_of_all_packages()}


def first_block(page: Path) -> str:
    """Return the first block of commands of a page, with its fences."""
    before, fence, rest = page.read_text(encoding="utf-8").partition("```sh\n")
    del before
    return f"{fence}{rest.partition('```')[0]}```"


def settings_table(plugin: Plugin) -> str:
    """Return a plugin's settings as a Markdown table."""
    conditions = plugin.conditions()
    lines = ["| setting | default | |", "|---|---|---|"]
    for name, schema in plugin.settings().items():
        default = conditions.get(name) or _default(schema.get("default"))
        lines.append(f"| `{name}` | {default} | {schema['description']} |")
    return "\n".join(lines)


def coded_errors() -> dict[str, type[Exception]]:
    """Return the errors of all packages that have a code of their own, by code.

    Raises:
        ValueError: two have the same.
    """
    found: dict[str, type[Exception]] = {}
    for name in PACKAGES:
        if not (PACKAGES[name] / "errors.py").exists():
            continue
        for _, kind in inspect.getmembers(importlib.import_module(f"{name}.errors"), inspect.isclass):
            if code := vars(kind).get("code"):
                if code in found:
                    raise ValueError(f"{code}: {found[code].__name__} and {kind.__name__}")
                found[code] = t.cast("type[Exception]", kind)
    return dict(sorted(found.items()))


def errors_table() -> str:
    """Return what the codes of errors mean as a Markdown table."""
    lines = ["| code | what it means | what to do |", "|---|---|---|"]
    for code, kind in coded_errors().items():
        meaning, to_do = (" ".join(text.split()) for text in (inspect.getdoc(kind) or "").split("\n\n")[:2])
        exit_code = getattr(kind, "exit_code", 1)
        ends = "" if exit_code == 1 else f" Exit code {exit_code}."
        lines.append(f"| `{code}` | {meaning}{ends} | {to_do} |")
    return "\n".join(lines)


def hub_definition(plugin: Plugin | Utility) -> dict[str, t.Any]:
    """Return a plugin's entry for Meltano Hub."""
    ours, schema = plugin.in_meltano(), plugin.settings()
    settings = []
    for setting in ours["settings"]:
        default = schema[setting["name"]].get("default")
        settings.append(setting if default in (None, [], {}) else {**setting, "value": default})
    repository = package(plugin.directory)["urls"]["Repository"]
    described = {
        "repo": repository,
        "pip_url": _from_git(plugin, repository),
        "executable": ours["executable"],
        "description": plugin.about()["description"],
        "keywords": ["meltano_sdk"],
        "maintenance_status": "active",
        **{name: ours[name] for name in SHARED if name in ours},
        "settings": settings,
    }
    named = {"name": plugin.name, "namespace": ours["namespace"], "label": HUB_LABELS[plugin.name]}
    twice = {"variants": [{"name": VARIANT, **described}]} if OF_A_VARIANT & described.keys() else {}
    return {**named, "variant": VARIANT, **described, **twice}


def _from_git(plugin: Plugin | Utility, repository: str) -> str:
    """Return what installs the package from git, with the extras meltano.yml installs it with."""
    extras = re.search(r"\[.*\]$", plugin.in_meltano()["pip_url"])
    place = plugin.directory.relative_to(PROJECT)
    return f"{package(plugin.directory)['name']}{extras[0] if extras else ''}@git+{repository}.git#subdirectory={place}"


def main() -> None:
    """Write all generated files."""
    # The Hub's definitions repeat what meltano.yml says.
    MELTANO_YML.write_text(_meltano_yml(), encoding="utf-8")
    meltano_project.cache_clear()
    for path, text in pages().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def version() -> str:
    """Return the version of all packages; VERSION is the one place that says it."""
    return VERSION.read_text(encoding="utf-8").strip()


def _of_all_packages() -> dict[Path, str]:
    """Return what each package holds for itself, to be built alone, and all have alike."""
    texts = {}
    for package_directory in PACKAGES.values():
        project = package_directory.parent / "pyproject.toml"
        text = project.read_text(encoding="utf-8")
        texts[project] = re.sub(r'(?m)^version = ".*"$', f'version = "{version()}"', text, count=1)
        texts[package_directory.parent / "LICENSE"] = LICENSE.read_text(encoding="utf-8")
    return texts


def _meltano_yml() -> str:
    return with_settings(MELTANO_YML.read_text(encoding="utf-8"), (*PLUGINS, *UTILITIES))


def _readme(plugin: Plugin) -> tuple[Path, str]:
    path = plugin.directory / "README.md"
    return path, _with_written(path, settings_table(plugin))


def _with_written(path: Path, written: str) -> str:
    """Return the text of a page with what is written between its marks."""
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n{written}\n{END}{after}"


def _hub(plugin: Plugin | Utility) -> tuple[Path, str]:
    path = HUB / plugin.kind / f"{plugin.name}.yml"
    text = yaml.safe_dump(hub_definition(plugin), sort_keys=False, allow_unicode=True, width=120)
    kind = plugin.kind.replace("utilities", "utility").removesuffix("s")
    added = f"meltano add --plugin-type {kind} --from-ref {path.relative_to(PROJECT)} {plugin.name}"
    return path, f"# Written by make docs. {added}\n{text}"


def _default(value: object) -> str:
    if value in (None, [], {}):
        return ""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


if __name__ == "__main__":
    main()
