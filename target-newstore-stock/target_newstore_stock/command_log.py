"""The log of the commands: a line has its level and message, or is what Meltano reads of a plugin's log."""

from __future__ import annotations

import contextlib
import logging
import os
import pathlib
import stat
import sys


def log_to_stderr() -> None:
    """Send warnings and errors of this process to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def meltano_reads_levels() -> bool:
    """Return whether Meltano reads the level of a line; one that is not in its form is `[info]` to it.

    Of a Singer plugin and its commands it says so in the log configuration it writes for the SDK; of a utility by the
    extra `log_parser`, which holds for `meltano invoke` alone: `meltano run` has not read it yet when it asks for it.
    """
    if os.environ.get("MELTANO_UTILIZE__LOG_PARSER") == "singer-sdk":
        # `run` takes stdout by a pipe, `invoke` leaves it where it is.
        return not stat.S_ISFIFO(os.fstat(1).st_mode)
    with contextlib.suppress(OSError):
        configuration = pathlib.Path(os.environ.get("SINGER_SDK_LOG_CONFIG", "")).read_bytes()
        return b"singer_sdk.logging.StructuredFormatter" in configuration
    return False


def _formatter() -> logging.Formatter:
    if not meltano_reads_levels():
        return logging.Formatter("%(levelname)s %(message)s")
    from singer_sdk.logging import StructuredFormatter  # noqa: PLC0415 - at a terminal nobody needs it

    return StructuredFormatter()
