"""`make faults SEED=…`: plays one schedule and prints each step."""

from __future__ import annotations

import argparse
import contextlib
import sys

from tests.faults.players import one_process, real_processes, two_machines
from tests.faults.reports.report import Report
from tests.faults.stories.forms import FORMS, options_of
from tests.faults.stories.schedules import make_schedule
from tests.shop.postgresql import PostgreSql
from tests.shop.warm_start import Forks


def main() -> int:
    """Play the schedule; return 0 if nothing is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("seed", type=int)
    worlds = ["real-processes", "two-machines", "one-process", "late-events"]
    parser.add_argument("--world", choices=worlds, default=worlds[0])
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite", help="of real processes")
    parser.add_argument("--scope", choices=["tenant", "file"], help="what a range covers; default: the seed decides")
    parser.add_argument("--form", choices=FORMS, help="how the ERP proves what it contains; default: the seed decides")
    given = parser.parse_args()
    options = options_of(given.form, given.seed) if given.form else {}
    options |= {"range_scope": given.scope} if given.scope else {}
    report = Report(f"Seed {given.seed}, {given.world}")
    with contextlib.ExitStack() as stack:
        if given.world == "real-processes":
            server = stack.enter_context(PostgreSql()) if given.database == "postgresql" else None
            new_database = server.new_database if server else None
            report.add(real_processes.play(given.seed, new_database, _tell, stack.enter_context(Forks()), **options))
        elif given.world == "two-machines":
            new_database = stack.enter_context(PostgreSql()).new_database
            forks = stack.enter_context(two_machines.two_machines())
            report.add(two_machines.play(given.seed, new_database, forks, _tell, **options))
        else:
            schedule = make_schedule(given.seed, breaks_the_promise=given.world == "late-events", **options)
            _tell(f"{schedule.options}\n{schedule.stock}")
            report.add(one_process.play_schedule(schedule, _tell))
    print(report.table())
    print(*report.failures, sep="\n")
    return 1 if report.failures else 0


def _tell(what: str) -> None:
    # In one process, stdout belongs to the target.
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
