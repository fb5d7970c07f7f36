"""What is to be installed when a driver is missing: one of this package's extras, or a package beside it."""

from __future__ import annotations

import importlib.metadata
import re

PACKAGE = "target-newstore-stock"
#: How fsspec says that the client of a kind of store is missing.
_OF_A_STORE = re.compile(r"install (\w+) to access", re.IGNORECASE)
_EXTRA = re.compile(r"extra == ['\"](\w+)")


def missing_driver(error: ImportError) -> str:
    """Return which package an error misses, and how to install it."""
    named = _OF_A_STORE.search(str(error))
    name = named[1] if named else error.name
    if not name:
        return " ".join(str(error).split())
    for requirement in importlib.metadata.requires(PACKAGE) or ():
        extra = _EXTRA.search(requirement)
        if extra and re.match(rf"{re.escape(name)}\b", requirement):
            return f"{name} is not installed: install {PACKAGE}[{extra[1]}]"
    return f"{name} is not installed: install it beside {PACKAGE} (Meltano: in its pip_url)"
