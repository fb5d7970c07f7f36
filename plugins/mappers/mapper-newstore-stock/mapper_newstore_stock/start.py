"""Entry point of the command.

The garbage collector is off while modules load: imports create no garbage, and skipping it (and
never scanning the loaded code again) saves a quarter of an idle run.
"""

from __future__ import annotations

import gc
import os

#: The collector looks after so many new objects, instead of 700: a short run would be looked through a hundred times.
COLLECTED_AT = 10_000


def main() -> None:
    """Load the mapper and run its command."""
    # What the process writes is for its user alone, whatever the shell says.
    os.umask(0o077)
    gc.disable()
    from mapper_newstore_stock.mapper import MapperNewStoreStock  # noqa: PLC0415 - imported here, with the collector off

    gc.freeze()
    gc.set_threshold(COLLECTED_AT)
    gc.enable()
    MapperNewStoreStock.cli()
