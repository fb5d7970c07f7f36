"""Airflow: one DAG that runs both directions, every ten minutes. Put it into the folder of DAGs."""

from __future__ import annotations

import datetime as dt
import os

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

PROJECT = os.environ.get("MELTANO_PROJECT_ROOT", "/srv/newstore-stock-sync")
ENVIRONMENT = os.environ.get("MELTANO_ENVIRONMENT", "production")
JOB = os.environ.get("NEWSTORE_JOB", "newstore-both-ways")

with DAG(
    dag_id="newstore_both_ways",
    schedule="*/10 * * * *",
    start_date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    catchup=False,
    max_active_runs=1,
) as dag:
    BashOperator(
        task_id="meltano_run",
        bash_command=f"meltano --environment={ENVIRONMENT} run {JOB}",
        cwd=PROJECT,
        # Longer than import_timeout_seconds; then Airflow ends it, and the next run repeats.
        execution_timeout=dt.timedelta(hours=2),
        retries=0,
    )
