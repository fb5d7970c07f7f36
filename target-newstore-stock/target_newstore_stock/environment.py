"""The settings in variables, and which of them cannot be read: the SDK says only what is wrong with a text."""

from __future__ import annotations

import json
import os
import typing as t

from singer_sdk.configuration._dict_config import parse_environment_config

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

#: How the SDK reads the text for a kind of setting, and what a user has to write.
READERS: dict[str, tuple[Callable[[str], object], str]] = {
    "integer": (int, "a whole number"),
    "object": (json.loads, "a JSON object"),
    "text": (str, "text"),
}


def read_variables(plugin: str, settings: Mapping[str, t.Any], given: Collection[str]) -> dict[str, t.Any]:
    """Return the settings that variables set, but for those that are given otherwise.

    No `.env` is read: Meltano has read the project's. The SDK would take the first one above the installation, and put
    it before the variables.

    Args:
        plugin: Name of the plugin; its variables begin with it.
        settings: JSON schema of the settings.
        given: Names of settings.
    """
    wanted = {name: schema for name, schema in settings["properties"].items() if name not in given}
    return parse_environment_config({"properties": wanted}, _variable(plugin, ""), os.devnull)


def wrong_variable(plugin: str, settings: Mapping[str, t.Any]) -> str:
    """Return which is the first variable whose text does not fit its setting, and what fits; empty: all fit.

    Args:
        plugin: Name of the plugin; its variables begin with it.
        settings: JSON schema of the settings.
    """
    for name, schema in settings["properties"].items():
        variable = _variable(plugin, name)
        text = os.environ.get(variable)
        if text is not None and (wanted := _wanted(schema, text)):
            return f"{variable} is {text!r}, expected {wanted} (or unset it for the default): "
    return ""


def _variable(plugin: str, setting: str) -> str:
    return f"{plugin}_{setting}".upper().replace("-", "_")


def _wanted(schema: Mapping[str, t.Any], text: str) -> str | None:
    """Return what a text should be; None: it is that, or the SDK takes any text."""
    read, wanted = READERS[_kind(schema)]
    try:
        read(text)
    except ValueError:
        return wanted
    return None


def _kind(schema: Mapping[str, t.Any]) -> str:
    """Return as what the SDK reads the text."""
    kinds = [] if "anyOf" in schema else schema.get("type", [])
    return next((kind for kind in ("integer", "object") if kind in kinds), "text")
