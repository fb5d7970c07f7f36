"""What becomes of a run whose messages stdout does not take: a disk is full, or stdout was closed."""

from __future__ import annotations

import contextlib
import os
import pathlib
import sys

from target_newstore_stock.errors import OutputError


def error_of(error: BaseException) -> OutputError | None:
    """Return what to say if it is stdout that has failed; None: it is something else.

    A pipe that nobody reads any more is something else: whoever read it has said why it ended.
    """
    if not isinstance(error, OSError | AttributeError) or isinstance(error, BrokenPipeError):
        return None
    # Where stdout was closed, Python has none.
    reason: object = "it is closed"
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except OSError as again:
            reason = again.strerror or again
        else:
            return None
    leave()
    return OutputError(f"stdout cannot be written: {reason}", to_do="See what takes this plugin's output")


def leave() -> None:
    """Let what stdout could not take go nowhere: written once more at the exit, it would end the process with 120."""
    with contextlib.suppress(OSError, ValueError, AttributeError), pathlib.Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
