"""The whole run of benchmarks/synthesize.py: ten thousand requests, once with a kill in the middle."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks/synthesize.py"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kill", ["false", "true"])
def test_ten_thousand_requests_are_accounted_for(kill: str) -> None:
    run = subprocess.run(
        [sys.executable, str(SCRIPT), f"kill={kill}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=590,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "the account is what follows from the endpoint's log" in run.stdout
    assert kill == "true" or "paid twice: 0" in run.stdout
