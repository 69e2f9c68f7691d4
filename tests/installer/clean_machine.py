"""A machine that has nothing of ours: a namespace with read-only /usr, an ordinary user, an empty home."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

HOME = "/home/user"


def _works() -> bool:
    bwrap = shutil.which("bwrap")
    probe = [bwrap or "", "--unshare-user", "--unshare-pid", "--ro-bind", "/", "/", "/bin/true"]
    return bwrap is not None and subprocess.run(probe, capture_output=True, check=False).returncode == 0


WORKS = _works()


@dataclass
class CleanMachine:
    """``machine_id`` empty: one that has no id of its own. Secrets travel by the environment, as people are told to do."""

    folder: Path
    machine_id: str = ""
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        home = self.folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        return home

    def start(self, script: str, *, network: bool = True, **environ: str) -> subprocess.Popen[str]:
        """Run a line of shell; all of it dies with the process that is returned."""
        etc = self.folder / "etc"
        etc.mkdir(parents=True, exist_ok=True)
        (etc / "hosts").write_text("127.0.0.1 localhost\n")
        (etc / "machine-id").write_text(f"{self.machine_id}\n")
        words = [
            "bwrap",
            "--unshare-all",
            "--unshare-user",
            "--uid",
            "1000",
            "--gid",
            "1000",
            "--die-with-parent",
            "--new-session",
            "--clearenv",
        ]
        words += ["--share-net"] if network else []
        words += ["--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--ro-bind", str(etc), "/etc"]
        for name in ("bin", "lib", "lib64"):
            words += ["--symlink", f"usr/{name}", f"/{name}"]
        own = {"HOME": HOME, "PATH": "/usr/bin"}
        if not Path("/usr/bin/python3.11").exists():  # the system's Python is another one: lend ours
            words += ["--ro-bind", sys.base_prefix, sys.base_prefix]
            own["CODITECT_PYTHON"] = f"{sys.base_prefix}/bin/python3"
        for name, value in (own | self.environ | environ).items():
            words += ["--setenv", name, value]
        words += ["--bind", str(self.home), HOME, "--chdir", HOME, "sh", "-c", script]
        return subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"]}
        )

    def run(self, script: str, *, network: bool = True, **environ: str) -> tuple[int, str, str]:
        """Exit code, what was printed, what was said beside it."""
        with self.start(script, network=network, **environ) as process:
            printed, said = process.communicate(timeout=60)
        return process.returncode, printed, said

    def run_until(self, mark: str, script: str, **environ: str) -> str:
        """Kill it (SIGKILL, all of it) as soon as it says ``mark``. Answers what it said until then."""
        said = ""
        with self.start(script, **environ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                said += line
                if mark in line:
                    process.kill()
                    break
        return said

    def coditect(self, words: str, *, network: bool = True) -> tuple[int, dict[str, object]]:
        """The installed command, with its answer."""
        code, printed, said = self.run(f"~/.local/bin/coditect {words} --json", network=network)
        assert printed, said
        return code, json.loads(printed)
