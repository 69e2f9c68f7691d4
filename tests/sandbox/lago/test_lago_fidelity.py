"""The sandbox against recordings of the real Lago; ``make fidelity`` runs them all."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("GLUE_TEST_SHARED", ROOT.parent / "shared"))
needs_recordings = pytest.mark.skipif(not (SHARED / "recordings" / "lago").is_dir(), reason="no recordings of the real systems here")


@needs_recordings
@pytest.mark.parametrize(("system", "scenarios"), [("lago", ["events"]), ("lago-calendar", ["03_arrears_midmonth"])])
def test_a_scenario_agrees_with_its_recording(system, scenarios):
    command = [sys.executable, str(ROOT / "scripts" / "fidelity.py"), system, *scenarios]
    environment = {**os.environ, "GLUE_SHARED": str(SHARED)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    scores = re.findall(r"statuses +([\d.]+)% +leaves +([\d.]+)%", done.stdout)
    assert len(scores) == len(scenarios), done.stdout + done.stderr
    assert all(float(statuses) >= 99 and float(leaves) >= 99 for statuses, leaves in scores), done.stdout
