"""Clients of stores, which at their debug level show what no log may hold."""

from __future__ import annotations

import logging

#: They show addresses whole, with passwords, and the signatures of requests and links.
OUTSPOKEN = ("fsspec", "s3fs", "botocore", "aiobotocore", "gcsfs", "adlfs", "azure")


def quieten_clients() -> None:
    """Hear clients of stores from their level `info` on, also where everything else is heard from `debug` on."""
    for name in OUTSPOKEN:
        logging.getLogger(name).setLevel(logging.INFO)
