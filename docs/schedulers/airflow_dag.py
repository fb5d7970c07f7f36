"""Airflow: one DAG that runs both directions, every ten minutes. Put it into the folder of DAGs."""

from __future__ import annotations

import datetime as dt

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

with DAG(
    dag_id="newstore_both_ways",
    schedule="*/10 * * * *",
    start_date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    catchup=False,
    max_active_runs=1,
) as dag:
    BashOperator(
        task_id="meltano_run",
        bash_command="meltano --environment=production run newstore-both-ways",
        cwd="/srv/newstore-stock-sync",
        # Longer than import_timeout_seconds; then Airflow ends it, and the next run repeats.
        execution_timeout=dt.timedelta(hours=2),
        retries=0,
    )
