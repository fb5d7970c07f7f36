"""The SDK's own mapper, in an environment of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t

from tests.shop.process import command

if t.TYPE_CHECKING:
    from pathlib import Path


def install_pass_through(directory: Path) -> list[str]:
    """Install meltano-map-transform without any map, and give its command."""
    home = directory / "map-transform"
    uv = command("uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(home)], check=True)
    python = str(home / "bin" / "python")
    install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, "meltano-map-transform"]
    subprocess.run(install, check=True)
    config = directory / "map-transform.json"
    config.write_text(json.dumps({"stream_maps": {}}))
    return [str(home / "bin" / "meltano-map-transform"), "--config", str(config)]
