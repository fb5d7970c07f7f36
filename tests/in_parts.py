"""Distributes tests over processes: a file's tests stay together; slow files start first and are split into parts."""

from __future__ import annotations

import collections

from xdist.scheduler import LoadScopeScheduling

#: Slow files, and the number of parts that may run in parallel. Shops as processes mostly wait.
PARTS = {
    "tests/mapper/test_against_an_oracle.py": 4,
    "tests/faults/test_shops_as_processes.py": 4,
    "tests/faults/test_shops_in_one_process.py": 2,
    "tests/faults/test_shops_with_late_events.py": 2,
    "tests/faults/test_model.py": 4,
    "tests/faults/test_lost_events.py": 2,
    "tests/faults/test_failover.py": 2,
    "tests/faults/test_two_machines.py": 2,
}


def takes_long(nodeid: str) -> bool:
    """Return whether a test is in one of the slow files."""
    return nodeid.partition("::")[0] in PARTS


class InParts(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """`--dist=loadfile`, but the slow files are split: their tests go to their parts in turn."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self._part_of: dict[str, str] = {}
        self._seen: collections.Counter[str] = collections.Counter()

    def _split_scope(self, nodeid: str) -> str:
        if nodeid not in self._part_of:
            file = nodeid.partition("::")[0]
            self._part_of[nodeid] = f"{file} {self._seen[file] % PARTS.get(file, 1)}"
            self._seen[file] += 1
        return self._part_of[nodeid]
