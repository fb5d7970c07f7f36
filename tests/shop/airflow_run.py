"""Loads Airflow's example and runs its DAG twice. Started by the Python that Airflow is installed in.

Prints a line of JSON: the schedule, and whether the DAG succeeded as it is and with an unknown Meltano job.
"""

import importlib.util
import json
import os
import sys


def main(path: str) -> None:
    """Run the DAG defined in the file at `path`."""
    succeeded = []
    for job in (os.environ["NEWSTORE_JOB"], "no-such-job"):
        os.environ["NEWSTORE_JOB"] = job
        spec = importlib.util.spec_from_file_location("project", path)
        assert spec
        assert spec.loader
        project = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(project)
        succeeded.append(project.dag.test().state == "success")
    print(json.dumps({"cron": project.dag.schedule, "succeeded": succeeded}))


if __name__ == "__main__":
    main(sys.argv[1])
