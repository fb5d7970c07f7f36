"""The end of a pipe that nothing is made of."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time

#: Longer than the other parts of a pipeline take to start.
WAIT_SECONDS = 10
BLOCK_BYTES = 65536


def await_end_of_input() -> None:
    """Take the input and drop it until it ends, but not for long.

    Meltano stops all parts of a pipeline as soon as one has ended before those it reads from: they could not say any
    more what is wrong with their own settings.
    """
    # Without an input, or with one that cannot be waited for, there is nothing to wait for.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        if sys.stdin.isatty():
            return
        descriptor, end = sys.stdin.fileno(), time.monotonic() + WAIT_SECONDS
        while (seconds := end - time.monotonic()) > 0 and select.select([descriptor], [], [], seconds)[0]:
            if not os.read(descriptor, BLOCK_BYTES):
                return
