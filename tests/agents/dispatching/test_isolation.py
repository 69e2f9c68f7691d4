"""Hostile scripts, bounded so that they would be harmless even if the sandbox were not: each must fail to do what it tries."""

import os
import time
from pathlib import Path

import pytest

from glue.agents import isolation
from glue.agents.isolation import run_isolated
from glue.errors import Unavailable

pytestmark = pytest.mark.skipif(not isolation.has_sandbox(), reason="bubblewrap does not work on this machine")

# Each prints BROKEN when it got what it wanted. {secret} is a file outside that exists and is readable by us.
SHELL = {
    "read shadow": "cat /etc/shadow && echo BROKEN",
    "read passwd": "cat /etc/passwd && echo BROKEN",
    "read root's home": "ls /root && echo BROKEN",
    "read homes": "ls /home/* && echo BROKEN",
    "read a secret outside": "cat {secret} && echo BROKEN",
    "list the folder outside": "ls {folder} && echo BROKEN",
    "climb out by dots": "cat ../../../../{secret} && echo BROKEN",
    "follow a link outside": "ln -s {secret} out; cat out && echo BROKEN",
    "write beside the work": "echo x > {folder}/written && echo BROKEN",
    "write into usr": "echo x > /usr/bin/evil && echo BROKEN",
    "write into etc": "echo x > /etc/evil && echo BROKEN",
    "replace the shell": "cp /bin/ls /bin/sh && echo BROKEN",
    "remount writable": "mount -o remount,rw /usr && echo BROKEN",
    "mount proc": "mkdir p; mount -t proc proc p && echo BROKEN",
    "bind mount": "mkdir m; mount --bind / m && echo BROKEN",
    "unshare again": "unshare -Ur true && echo BROKEN",
    "chroot": "chroot / true && echo BROKEN",
    "become root": "su -c true && echo BROKEN",
    "make a device": "mknod d b 8 0 && echo BROKEN",
    "read a disk": "head -c 16 /dev/sda && echo BROKEN",
    "read memory": "head -c 16 /dev/mem && echo BROKEN",
    "kernel log": "dmesg && echo BROKEN",
    "set the clock": "date -s 2000-01-01 && echo BROKEN",
    "host name": "hostname evil && echo BROKEN",
    "kill the parent": "kill -9 {parent} && echo BROKEN",
    "see other processes": "ls /proc/{parent}/cwd && echo BROKEN",
    "secrets in the environment": "env | grep -i -E 'token|key|secret|glue' && echo BROKEN",
    "sysctl": "echo 1 > /proc/sys/kernel/sysrq && echo BROKEN",
    "reach the docker socket": "test -S /var/run/docker.sock && echo BROKEN",
    "raise the limits": "ulimit -n 100000 && echo BROKEN",
}
PYTHON = {
    "open the network": "import socket; socket.create_connection(('1.1.1.1', 53), 3)",
    "reach loopback": "import socket; socket.create_connection(('127.0.0.1', {port}), 3)",
    "raw socket": "import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
    "resolve a name": "import socket; socket.gethostbyname('example.org')",
    "trace the first process": "import ctypes; c = ctypes.CDLL(None); assert c.ptrace(16, 1, 0, 0) == 0",
    "eat memory": "x = bytearray(2 * 2**30)",
    "write a huge file": "f = open('big', 'wb'); [f.write(b'x' * 2**20) for _ in range(64)]; f.flush()",
    "set user id": "import os; os.setuid(0)",
    "many files at once": "f = [open('/dev/null') for _ in range(1000)]",
}


def attempt(command, seconds=10):
    return run_isolated(command, {"a.txt": b"mine"}, seconds=seconds)


@pytest.fixture
def outside(tmp_path):
    import socket

    (tmp_path / "secret").write_text("BROKEN secret")
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield {"secret": tmp_path / "secret", "folder": tmp_path, "parent": os.getpid(), "port": server.getsockname()[1]}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret"]


@pytest.mark.parametrize("name", SHELL)
def test_a_hostile_shell_script_gets_nothing(outside, name):
    ran = attempt(["sh", "-c", SHELL[name].format(**outside)])
    assert b"BROKEN" not in ran.output
    assert not any(b"BROKEN" in content for content in ran.files.values())


@pytest.mark.parametrize("name", PYTHON)
def test_a_hostile_program_gets_nothing(outside, name):
    program = PYTHON[name].format(**outside) + "\nprint('BRO' + 'KEN')"
    ran = attempt(["python3", "-c", program])
    assert ran.exit_code != 0
    assert b"BROKEN" not in ran.output


def test_sleeping_for_ever_ends_and_leaves_no_process():
    mark = f"sleep 4{os.getpid()}"
    began = time.monotonic()
    ran = attempt(["sh", "-c", f"setsid {mark} & setsid {mark} & {mark}"], seconds=1)
    assert ran.timed_out
    assert time.monotonic() - began < 6
    time.sleep(0.3)
    running = [path.read_bytes().replace(b"\0", b" ") for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [line for line in running if mark.encode() in line]


def test_a_fork_bomb_is_over_with_its_sandbox():
    mark = f"4{os.getpid()}"
    program = f"import os, time\nfor _ in range(200):\n  if os.fork() == 0:\n    time.sleep({mark})\n"
    ran = attempt(["python3", "-c", program], seconds=3)
    assert ran.exit_code != 0 or not ran.timed_out
    time.sleep(0.3)
    running = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [line for line in running if mark.encode() in line]


def test_endless_output_is_cut():
    ran = attempt(["sh", "-c", "yes"], seconds=2)
    assert len(ran.output) <= isolation.MOST_OUTPUT


def test_honest_work_gets_its_files_back():
    ran = attempt(["sh", "-c", "tr a-z A-Z < a.txt > b.txt; ln -s /etc/hostname link; echo done"])
    assert (ran.exit_code, ran.output, dict(ran.files)) == (0, b"done\n", {"a.txt": b"mine", "b.txt": b"MINE"})


def test_files_cannot_be_placed_outside():
    with pytest.raises(ValueError, match="leaves"):
        run_isolated(["true"], {"../evil": b""})


def test_without_a_sandbox_nothing_runs(monkeypatch, tmp_path):
    isolation.has_sandbox.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    try:
        with pytest.raises(Unavailable):
            run_isolated(["true"], {})
    finally:
        isolation.has_sandbox.cache_clear()


def test_files_of_a_killed_process_are_removed_and_those_of_a_living_one_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left, claimed, new = (tmp_path / f"glue-step-{name}" for name in ("left", "claimed", "new"))
    for folder in (left, claimed, new):
        (folder / "work").mkdir(parents=True)
        (folder / "work" / "request.json").write_text("a customer's words")
    for folder in (left, claimed):
        os.utime(folder, (time.time() - 120,) * 2)
    with isolation._claimed(claimed):
        isolation.remove_left_over()
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["glue-step-claimed", "glue-step-new"]
    isolation.remove_left_over()
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["glue-step-new"]
