"""The whole story holds, played by the command that the README names."""

import json
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.xdist_group("story")
def test_one_customers_story_holds_from_the_first_file_to_the_last_trace(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "glue", "demo", "--folder", str(tmp_path)], capture_output=True, text=True, timeout=850, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    transcript = json.loads((tmp_path / "transcript.json").read_text())
    assert [step["ok"] for step in transcript["steps"]] == [True] * 10
    assert {"n", "title", "ok", "seconds", "keycloak", "lago", "keygen", "glue"} == set(transcript["steps"][0])
    assert (tmp_path / "transcript.md").read_text().startswith("# One customer's story")
    assert not list(tmp_path.glob("run-*")), "what it started leaves nothing behind"
