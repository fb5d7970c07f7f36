"""Documentation generated from the plugins: `make docs`."""

from __future__ import annotations

import json
import typing as t

import yaml

from tests.documentation.meltano_settings import with_settings
from tests.documentation.plugins import PLUGINS, PROJECT, Plugin, meltano_project

if t.TYPE_CHECKING:
    from pathlib import Path

BEGIN, END = "<!-- written by make docs: begin -->", "<!-- written by make docs: end -->"
HUB = PROJECT / "hub"
MELTANO_YML = PROJECT / "meltano.yml"
HUB_LABELS = {
    "extractors": "NewStore Fulfilment Events",
    "mappers": "NewStore Stock",
    "loaders": "NewStore Stock",
}


def pages() -> dict[Path, str]:
    """Return the text of every generated file, by path."""
    written = {path: text for plugin in PLUGINS for path, text in (_readme(plugin), _hub(plugin))}
    return {MELTANO_YML: _meltano_yml(), **written}


def settings_table(plugin: Plugin) -> str:
    """Return a plugin's settings as a Markdown table."""
    conditions = plugin.conditions()
    lines = ["| setting | default | |", "|---|---|---|"]
    for name, schema in plugin.settings().items():
        default = conditions.get(name) or _default(schema.get("default"))
        lines.append(f"| `{name}` | {default} | {schema['description']} |")
    return "\n".join(lines)


def hub_definition(plugin: Plugin) -> dict[str, t.Any]:
    """Return a plugin's entry for Meltano Hub."""
    ours, schema = plugin.in_meltano(), plugin.settings()
    about = plugin.about()
    settings = []
    for setting in ours["settings"]:
        default = schema[setting["name"]].get("default")
        settings.append(setting if default in (None, [], {}) else {**setting, "value": default})
    return {
        "name": plugin.name,
        "namespace": ours["namespace"],
        "label": HUB_LABELS[plugin.kind],
        "description": about["description"],
        "variant": "newstore-stock-sync",
        "pip_url": plugin.name,
        "executable": ours["executable"],
        "keywords": ["meltano_sdk"],
        "maintenance_status": "active",
        **({"capabilities": ours["capabilities"]} if "capabilities" in ours else {}),
        **({"commands": ours["commands"]} if "commands" in ours else {}),
        **({"select": ours["select"]} if "select" in ours else {}),
        "settings_group_validation": ours["settings_group_validation"],
        "settings": settings,
    }


def main() -> None:
    """Write all generated files."""
    # The Hub's definitions repeat what meltano.yml says.
    MELTANO_YML.write_text(_meltano_yml(), encoding="utf-8")
    meltano_project.cache_clear()
    for path, text in pages().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _meltano_yml() -> str:
    return with_settings(MELTANO_YML.read_text(encoding="utf-8"), PLUGINS)


def _readme(plugin: Plugin) -> tuple[Path, str]:
    path = plugin.directory / "README.md"
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    return path, f"{before}{BEGIN}\n{settings_table(plugin)}\n{END}{after}"


def _hub(plugin: Plugin) -> tuple[Path, str]:
    text = yaml.safe_dump(hub_definition(plugin), sort_keys=False, allow_unicode=True, width=120)
    return HUB / plugin.kind / f"{plugin.name}.yml", f"# Written by make docs.\n{text}"


def _default(value: object) -> str:
    if value in (None, [], {}):
        return ""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


if __name__ == "__main__":
    main()
