"""The packages of this repository, and what their modules import."""

from __future__ import annotations

import ast
import typing as t
from pathlib import Path

if t.TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]

#: The source folder of each package, by the name it is imported by.
PACKAGES = {
    "tap_newstore_fulfillment": ROOT / "tap-newstore-fulfillment/tap_newstore_fulfillment",
    "mapper_newstore_stock": ROOT / "plugins/mappers/mapper-newstore-stock/mapper_newstore_stock",
    "target_newstore_stock": ROOT / "target-newstore-stock/target_newstore_stock",
    "newstore_sandbox": ROOT / "plugins/utilities/newstore-sandbox/newstore_sandbox",
    "newstore_erp_postgresql": ROOT / "plugins/utilities/newstore-erp-postgresql/newstore_erp_postgresql",
}


def modules(package: str, room: str = "") -> list[Path]:
    """Return the modules of a package, or of one room of it (`run/`, `landing/`)."""
    return sorted((PACKAGES[package] / room).rglob("*.py"))


def imports(module: Path) -> Iterator[str]:
    """Yield the dotted names a module imports, also those for type checkers only."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
