"""Loads a file of Dagster definitions and runs its job twice. Started by the Python that Dagster is installed in.

Prints a line of JSON: the schedule, and whether the job succeeded as it is and with an unknown Meltano job.
"""

import importlib.util
import json
import sys


def main(path: str) -> None:
    """Run the job defined in the file at `path`."""
    spec = importlib.util.spec_from_file_location("project", path)
    assert spec
    assert spec.loader
    project = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(project)
    (schedule,) = project.definitions.schedules
    job = project.definitions.resolve_job_def("newstore_both_ways")
    first = job.execute_in_process(raise_on_error=False)
    vars(project)["JOB"] = "no-such-job"
    second = job.execute_in_process(raise_on_error=False)
    print(json.dumps({"cron": schedule.cron_schedule, "succeeded": [first.success, second.success]}))


if __name__ == "__main__":
    main(sys.argv[1])
