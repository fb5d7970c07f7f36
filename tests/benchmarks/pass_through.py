"""The SDK's own mapper with nothing to map."""

from __future__ import annotations

import json
import typing as t

from tests.shop.process import command

if t.TYPE_CHECKING:
    from pathlib import Path


def pass_through(directory: Path) -> list[str]:
    """Return the command line of meltano-map-transform without any map."""
    config = directory / "map-transform.json"
    config.write_text(json.dumps({"stream_maps": {}}), encoding="utf-8")
    return [command("meltano-map-transform"), "--config", str(config)]
