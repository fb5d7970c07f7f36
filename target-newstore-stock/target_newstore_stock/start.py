"""Entry point of the command.

The garbage collector is off while modules load: imports create no garbage, and skipping it (and
never scanning the loaded code again) saves a quarter of an idle run.
"""

from __future__ import annotations

import gc
import os


def main() -> None:
    """Load the target and run its command."""
    # What the process writes is for its user alone, whatever the shell says.
    os.umask(0o077)
    gc.disable()
    from target_newstore_stock.target import TargetNewStoreStock  # noqa: PLC0415 - imported here, with the collector off

    gc.freeze()
    gc.enable()
    TargetNewStoreStock.cli()
