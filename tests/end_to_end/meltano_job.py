"""Runs a job of meltano.yml against the sandbox, for the demos."""

from __future__ import annotations

import subprocess
import time
import typing as t
from pathlib import Path

from tests.shop.process import command, environment

if t.TYPE_CHECKING:
    from rich.console import Console

    from tests.shop.newstore import NewStore

PROJECT = Path(__file__).parents[2]


def run_job(job: str, console: Console, variables: dict[str, str]) -> list[str]:
    """Run a job, or several blocks of one, and print how it went; return what was wrong: nothing if it ended with 0."""
    begun = time.monotonic()
    console.print(f"$ meltano run {job}")
    run = subprocess.run(
        [command("meltano"), "run", *job.split()],
        cwd=PROJECT,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    console.print(f"  exit code {run.returncode}, {time.monotonic() - begun:.1f} s")
    if run.returncode == 0:
        return []
    console.print(run.stdout, markup=False)
    return [f"meltano run {job} ended with {run.returncode}"]


def in_sandbox(directory: Path, newstore: NewStore) -> dict[str, str]:
    """Return the settings that differ from the environment `sandbox`: a fresh state, and this NewStore's ports."""
    return {
        "MELTANO_ENVIRONMENT": "sandbox",
        "MELTANO_DATABASE_URI": f"sqlite:///{directory}/meltano.db",
        "TARGET_NEWSTORE_STOCK_API_URL": newstore.url,
        "TARGET_NEWSTORE_STOCK_AUTH_URL": newstore.token_url,
        "TARGET_NEWSTORE_STOCK_STAGING_URL": str(newstore.staging),
        "TARGET_NEWSTORE_STOCK_STAGING_LINK": f"{newstore.url}/staging",
    }
