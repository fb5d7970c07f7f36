"""Settings and selected streams of our plugins in meltano.yml, written from what the plugins say (`make docs`)."""

from __future__ import annotations

import json
import re
import typing as t

import yaml

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.documentation.plugins import Plugin, Utility

#: What is written, in this order; a plugin need not have the first two.
SELECT_KEY, GROUPS_KEY, SETTINGS_KEY = "    select:\n", "    settings_group_validation:\n", "    settings:\n"
#: The receiver as a utility, for jobs: it has some of the tap's settings, and its variables.
RECEIVER, RECEIVER_OF = "event-receiver", "tap-newstore-fulfillment"
RECEIVER_SETTINGS = (
    "landing_url",
    "settle_seconds",
    "receiver_api_key",
    "audit_callback_url",
    "tenant",
    "client_id",
    "client_secret",
    "api_url",
    "auth_url",
)
#: A setting, and everything that belongs to it.
ENTRY_LINE = re.compile(r"    - |     ")


def with_settings(meltano_yml: str, plugins: Iterable[Plugin | Utility]) -> str:
    """Return the text of meltano.yml with the settings of these plugins written anew; all else stays as it is.

    Before the settings of a plugin stand the alternative groups of those it needs, and what of a tap is selected.
    """
    for plugin in plugins:
        before, after = _around_settings(meltano_yml, plugin.name)
        settings = plugin.settings()
        entries = (_entry(name, schema) for name, schema in settings.items())
        selected = _list(SELECT_KEY, [json.dumps(pattern) for pattern in plugin.selected()])
        groups = _list(GROUPS_KEY, [f"[{', '.join(group)}]" for group in plugin.required_groups()])
        meltano_yml = "".join([before, selected, groups, SETTINGS_KEY, *entries, after])
        if plugin.name == RECEIVER_OF:
            before, after = _around_settings(meltano_yml, RECEIVER)
            shared = (_entry(name, settings[name]) for name in RECEIVER_SETTINGS)
            meltano_yml = "".join([before, SETTINGS_KEY, *shared, after])
    return meltano_yml


def _around_settings(text: str, plugin: str) -> tuple[str, str]:
    """Return what stands before and behind the settings of a plugin's definition, and what belongs to them."""
    # An environment names the plugin too, but deeper.
    defined = text.index(f"\n  - name: {plugin}\n    namespace:")
    end = text.index(SETTINGS_KEY, defined)
    found = (text.find(key, defined, end) for key in (SELECT_KEY, GROUPS_KEY))
    begin = min((place for place in found if place >= 0), default=end)
    lines = text[end + len(SETTINGS_KEY) :].splitlines(keepends=True)
    length = next((place for place, line in enumerate(lines) if not ENTRY_LINE.match(line)), len(lines))
    return text[:begin], "".join(lines[length:])


def _list(key: str, values: list[str]) -> str:
    return "".join([key, *(f"    - {value}\n" for value in values)]) if values else ""


def _entry(name: str, schema: Mapping[str, t.Any]) -> str:
    lines = [f"- name: {name}", f"  kind: {_kind(schema)}", f"  label: {_plain(schema['title'])}"]
    lines.append(f"  description: {json.dumps(schema['description'], ensure_ascii=False)}")
    if "enum" in schema:
        lines.append("  options:")
        for value in schema["enum"]:
            lines += [f"  - label: {_plain(value)}", f"    value: {_plain(value)}"]
    if "env" in schema:
        lines.append(f"  env: {schema['env']}")
    if schema.get("secret"):
        lines.append("  sensitive: true")
    return "".join(f"    {line}\n" for line in lines)


def _kind(schema: Mapping[str, t.Any]) -> str:
    """Return Meltano's kind: numbers, lists and choices are text to it, which the plugins read and check.

    Meltano ends in a traceback that names no setting where a variable is none of its `integer`, `array` or `options`.
    """
    types = set(schema["type"])
    # What may be text must pass as it is written.
    read_by_meltano = set() if "string" in types else types
    return next((kind for kind in ("object", "boolean") if kind in read_by_meltano), "string")


def _plain(text: str) -> str:
    """Return a text as YAML, in quotes only where it would be read as something else."""
    return text if yaml.safe_load(text) == text else json.dumps(text)
