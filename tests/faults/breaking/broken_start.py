"""Forks the project's commands with a target that is broken: what the environment's BREAKS names.

Patched before the first fork, so that every process of a machine has it.
"""

from __future__ import annotations

import os
import typing as t

from target_newstore_stock.other_runs import OtherRuns

from tests.shop.warm_start import main

BREAKS = "BREAKS"


def _nothing(*_arguments: object) -> None:
    return None


def no_look_before_create_and_start() -> None:
    OtherRuns.refuse = _nothing  # type: ignore[assignment]


def claims_nothing() -> None:
    """As if the run began when its target reads the SCHEMA: what was staged before is of an older run."""
    OtherRuns._claim_of = _nothing  # type: ignore[assignment]


VARIANTS: dict[str, t.Callable[[], None]] = {
    broken.__name__: broken for broken in (no_look_before_create_and_start, claims_nothing)
}

if __name__ == "__main__":
    VARIANTS[os.environ[BREAKS]]()
    main()
