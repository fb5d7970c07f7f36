"""Says which variable cannot be read: the SDK says only what is wrong with its text."""

from __future__ import annotations

import json
import os
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: How the SDK reads the text for a kind of setting, and what a user has to write.
READERS: dict[str, tuple[Callable[[str], object], str]] = {
    "integer": (int, "a whole number"),
    "object": (json.loads, "a JSON object"),
    "text": (str, "text"),
}


def wrong_variable(plugin: str, settings: Mapping[str, t.Any]) -> str:
    """Return which is the first variable whose text does not fit its setting, and what fits; empty: all fit.

    Args:
        plugin: Name of the plugin; its variables begin with it.
        settings: JSON schema of the settings.
    """
    for name, schema in settings["properties"].items():
        variable = f"{plugin}_{name}".upper().replace("-", "_")
        text = os.environ.get(variable)
        if text is not None and (wanted := _wanted(schema, text)):
            return f"{variable} is {text!r}, expected {wanted} (or unset it for the default): "
    return ""


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
