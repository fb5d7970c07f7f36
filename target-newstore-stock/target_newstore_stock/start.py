"""The command as it starts: while code is only loaded nothing becomes garbage, so nobody need look for it.

That, and not looking through the loaded code again at every collection and at the end, is a
quarter of what a run with nothing to do takes.
"""

from __future__ import annotations

import gc


def main() -> None:
    """Load the target and run its command."""
    gc.disable()
    from target_newstore_stock.target import TargetNewStoreStock  # noqa: PLC0415 - loading it is what is made quick

    gc.freeze()
    gc.enable()
    TargetNewStoreStock.cli()
