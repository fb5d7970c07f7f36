"""Dagster: one job that runs both directions, every ten minutes.

Start it with `dagster dev -f dagster_project.py`, or `dagster job execute -f dagster_project.py -j newstore_both_ways`.
Two runs never meet once the pool is limited: `dagster instance concurrency set newstore_stock_sync 1`.
"""

import os
import subprocess

import dagster

PROJECT = os.environ.get("MELTANO_PROJECT_ROOT", "/srv/newstore-stock-sync")
ENVIRONMENT = os.environ.get("MELTANO_ENVIRONMENT", "production")
JOB = os.environ.get("NEWSTORE_JOB", "newstore-both-ways")


@dagster.op(pool="newstore_stock_sync")
def meltano_run(context: dagster.OpExecutionContext) -> None:
    """Run the Meltano job; its log goes to Dagster's, any exit code but 0 fails the run."""
    command = ["meltano", f"--environment={ENVIRONMENT}", "run", JOB]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        for line in run.stdout or ():
            context.log.info(line.rstrip())
    if run.returncode:
        # No retry here: the next run repeats whatever NewStore has not confirmed.
        raise dagster.Failure(f"meltano run {JOB} ended with {run.returncode}", allow_retries=False)


@dagster.job
def newstore_both_ways() -> None:
    """Stock to NewStore, then NewStore's changes to the ERP."""
    meltano_run()


definitions = dagster.Definitions(
    jobs=[newstore_both_ways],
    schedules=[dagster.ScheduleDefinition(job=newstore_both_ways, cron_schedule="*/10 * * * *")],
)
