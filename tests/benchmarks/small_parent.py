"""Runs a command as a child of a small process, and writes its seconds and its peak memory in bytes to a file.

Linux counts as a process's peak also what its parent held at the moment it started it (`ru_maxrss` lives on
through exec), and the benchmarks hold more than what they measure. Run with `python -I -S`: nothing but this.
"""

import os
import resource
import sys
import time


def main() -> None:
    path, *arguments = sys.argv[1:]
    begun = time.perf_counter()
    child = os.posix_spawnp(arguments[0], arguments, os.environ)
    _, status = os.waitpid(child, 0)
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    with open(path, "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib would double what is loaded
        file.write(f"{seconds} {peak}")
    sys.exit(max(os.waitstatus_to_exitcode(status), 0) or int(status != 0))


if __name__ == "__main__":
    main()
