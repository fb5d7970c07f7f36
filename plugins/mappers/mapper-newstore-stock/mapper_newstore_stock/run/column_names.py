"""The source's own names of columns, as `on_hand_columns` and `booked_columns` give them."""

from __future__ import annotations

import typing as t

from mapper_newstore_stock.errors import ConfigurationError

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def named_columns(config: Mapping[str, t.Any], setting: str) -> dict[str, str]:
    """Return the source's names by ours; null is as good as not named.

    Args:
        config: The settings of the source.
        setting: `on_hand_columns` or `booked_columns`.
    """
    return {ours: name for ours, name in config.get(setting, {}).items() if name is not None}


def refuse_column_named_twice(setting: str, columns: Mapping[str, str], wanted: Iterable[str]) -> None:
    """Refuse names of which two are one column: one of the two would be read for what it is not.

    Args:
        setting: `on_hand_columns` or `booked_columns`.
        columns: The source's names by ours; a column left out keeps its name.
        wanted: Our names of what is read.

    Raises:
        ConfigurationError: it names the column and both of ours.
    """
    read: dict[str, str] = {}
    for ours in wanted:
        name = columns.get(ours, ours)
        if name in read:
            raise ConfigurationError(
                f"{setting}: {read[name]} and {ours} are both read from the column {name}. Name a column for each"
            )
        read[name] = ours
