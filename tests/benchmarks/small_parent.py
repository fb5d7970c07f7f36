"""Runs a command as a child of a small process, and writes its seconds, CPU seconds and peak bytes to a file.

On Linux a process's peak includes what its parent held when it started it (`ru_maxrss` survives exec), and the
benchmarks hold more than what they measure. Run it with `python -I -S`, which loads nothing else.
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
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu, peak = used.ru_utime + used.ru_stime, used.ru_maxrss * 1024
    with open(path, "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib would double what is loaded
        file.write(f"{seconds} {cpu} {peak}")
    sys.exit(max(os.waitstatus_to_exitcode(status), 0) or int(status != 0))


if __name__ == "__main__":
    main()
