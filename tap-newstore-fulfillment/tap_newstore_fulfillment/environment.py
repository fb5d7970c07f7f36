"""The settings in variables, and which of them cannot be read."""

from __future__ import annotations

import json
import os
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: What the SDK and Meltano take for true, in any case. To them all else is false, so `y` and `t` are not read as true.
TRUE = ("true", "1", "yes", "on")
#: What else is a word, and no slip that would turn a safety off.
FALSE = ("false", "0", "no", "off")


def _read_boolean(text: str) -> object:
    word = text.lower()
    if word not in (*TRUE, *FALSE):
        raise ValueError("neither true nor false")
    return word in TRUE


def _read_list(text: str) -> object:
    if not text.strip():
        raise ValueError("it is empty")
    return _read_json(text) if text.startswith("[") else text.split(",")


def _read_json(text: str) -> object:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


#: How the text for a kind of setting is read, as the SDK does it and a number too, and what a user has to write.
READERS: dict[str, tuple[Callable[[str], object], str]] = {
    "integer": (int, "a whole number"),
    "number": (float, "a number"),
    "boolean": (_read_boolean, "true or false"),
    "array": (_read_list, "a JSON array"),
    "object": (_read_json, "a JSON object"),
    "text": (str, "text"),
}
#: What may stand in the configuration as text, too: Meltano hands on its variables as they are.
READ_IN_CONFIGURATION = ("integer", "number", "array")


def with_variables(plugin: str, settings: Mapping[str, t.Any], arguments: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the arguments of a plugin, its configuration with what variables say where it says nothing.

    Null says nothing, too: what variables do not say is left to the defaults then.

    No `.env` is read: Meltano has read the project's. The SDK would take the first one above the installation, and put
    it before the variables.

    Args:
        plugin: Name of the plugin; its variables begin with it.
        settings: JSON schema of the settings.
        arguments: As the SDK passes them.

    Raises:
        ValueError: a variable, or a text in the configuration, cannot be read.
    """
    config = arguments.get("config") or {}
    if not isinstance(config, dict):
        return arguments
    is_checked = arguments.get("validate_config", True)
    config = {
        name: _as_configured(name, settings["properties"].get(name), value, is_checked=is_checked)
        for name, value in config.items()
        if value is not None
    }
    if not arguments.get("parse_env_config"):
        return {**arguments, "config": config}
    said = {name: schema for name, schema in settings["properties"].items() if _variable(plugin, name) in os.environ}
    read = {
        name: READERS[_kind(schema)][0](os.environ[_variable(plugin, name)])
        for name, schema in said.items()
        if name not in config
    }
    return {**arguments, "config": {**read, **config}, "parse_env_config": False}


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
            return f"{variable} {_shown(schema, text)}, expected {wanted} (or unset it for the default): "
    return ""


def _as_configured(name: str, schema: Mapping[str, t.Any] | None, value: object, *, is_checked: bool) -> object:
    """Return a value of the configuration; a number or list written as text is read as from a variable.

    Raises:
        ValueError: it cannot be read. Where nothing is checked (Meltano asks for the catalog), it stays as it is.
    """
    if schema is None or not isinstance(value, str) or (kind := _kind(schema)) not in READ_IN_CONFIGURATION:
        return value
    if wanted := _wanted(schema, value):
        if not is_checked:
            return value
        raise ValueError(f"{name} {_shown(schema, value)}, expected {wanted} (or unset it for the default)")
    return READERS[kind][0](value)


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


def _shown(schema: Mapping[str, t.Any], text: str) -> str:
    """Return what a setting is; what may hold a password is not shown."""
    return "cannot be read" if _kind(schema) == "array" else f"is {text!r}"


def _kind(schema: Mapping[str, t.Any]) -> str:
    """Return as what the text is read."""
    kinds = [] if "anyOf" in schema else schema.get("type", [])
    return next((kind for kind in READERS if kind in kinds), "text")
