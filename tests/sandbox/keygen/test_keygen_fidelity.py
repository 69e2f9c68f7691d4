"""The recorded scenarios of a real Keygen, where they are at hand."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCENARIOS = ["05_licenses", "07_validate_codes", "08_machines"]


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT.parent / "shared" / "recordings" / "keygen").is_dir(), reason="the recordings are not beside this project")
def test_recorded_scenarios_are_answered_alike() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "fidelity.py"), "keygen", *SCENARIOS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    scores = re.findall(r"(\w+) +statuses +([\d.]+)% +leaves +([\d.]+)%", done.stdout)
    assert [name for name, _, _ in scores] == SCENARIOS
    assert all(float(statuses) == 100 and float(leaves) >= 97 for _, statuses, leaves in scores), done.stdout
