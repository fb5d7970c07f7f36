"""The setting `on_hand_sources`: the settings of one source, several times."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Mapping

#: The settings each source may have for itself; those it lacks are the mapper's.
OF_A_SOURCE = (
    "on_hand_url",
    "on_hand_table",
    "on_hand_query",
    "on_hand_columns",
    "on_hand_as_of",
    "on_hand_lag_seconds",
    "clock_skew_seconds",
    "taken_at_timezone",
    "taken_at_format",
    "on_hand_done_marker",
    "on_hand_trailer",
    "csv_delimiter",
    "csv_encoding",
    "decimal_separator",
    "thousands_separator",
    "newstore_clock_url",
    "booked_url",
    "booked_table",
    "booked_query",
    "booked_columns",
    "booked_reversible",
    "on_hand_updated_column",
    "full_read_hours",
    "vanished_rows",
    "max_vanished_percent",
    "max_on_hand_age_minutes",
)
REQUIRED = ("name", "nodes", "on_hand_url")


def sources_setting(flat: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the JSON schema of `on_hand_sources`.

    Args:
        flat: The schemas of the mapper's own settings. A source has them without their defaults, which would hide
            what the mapper is set to.
    """
    own = {name: _of_a_source(flat[name], is_required=name in REQUIRED) for name in OF_A_SOURCE}
    return {
        "type": ["array", "null"],
        "title": "On-hand sources",
        "description": "Several sources instead of `on_hand_url`: each with its `name`, the fulfillment `nodes` it "
        "owns (`*` globs, disjoint) and settings of its own, such as on_hand_url and on_hand_as_of. One that cannot "
        "be read stops only its own keys",
        "items": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "nodes": {"type": "array", "items": {"type": "string"}},
                **own,
            },
            "required": [*REQUIRED],
            "additionalProperties": False,
        },
    }


def _of_a_source(flat: Mapping[str, t.Any], *, is_required: bool) -> dict[str, t.Any]:
    """Return a setting's schema; null takes the flat setting away, so it needs one that may be none."""
    own = {key: value for key, value in flat.items() if key != "default"}
    if is_required or "default" in flat:
        own["type"] = [kind for kind in own["type"] if kind != "null"]
    return own
