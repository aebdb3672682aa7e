"""The supervisor with small programs: restarts, orderly ends, and what is left when it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerhub.core import supervise
from ledgerhub.core.supervise import AlreadyRunning, Program
from tests.processes import ROOT, is_alive, wait_until

# A program with a child of its own, as a cluster has workers; both write their process ids.
FAMILY = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open(sys.argv[1], "a").write(f"{os.getpid()} {child.pid}\\n")
time.sleep(60)
"""
SUPERVISOR = """
import sys
from pathlib import Path
from ledgerhub.core import supervise
from ledgerhub.core.supervise import Program
folder = Path(sys.argv[1])
claim = supervise.claim(folder, "family")
print("claimed", flush=True)
command = [sys.executable, "-c", sys.argv[2], str(folder / "pids")]
supervise.run([Program("family", command, claim=claim)], poll=0.05, grace=5)
print("stopped", flush=True)
"""
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"


@pytest.fixture
def lifeline() -> Iterator[int]:
    read, write = os.pipe()
    yield read
    os.close(write)
    os.close(read)


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", SUPERVISOR, str(tmp_path), FAMILY]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        wait_until(lambda: families(tmp_path), seconds=20, what="the family runs")
        yield process
    finally:
        process.kill()
        process.communicate()
        wait_until(lambda: not living(tmp_path), seconds=20, what="the family is gone")


def families(folder: Path) -> list[list[int]]:
    """Process ids of the program and its child, one pair a start."""
    try:
        lines = (folder / "pids").read_text().splitlines()
    except FileNotFoundError:
        return []
    return [[int(pid) for pid in line.split()] for line in lines]


def living(folder: Path) -> list[int]:
    return [pid for family in families(folder) for pid in family if is_alive(pid)]


def program(code: str, **fields: object) -> Program:
    return Program("test", [sys.executable, "-c", code], **fields)  # type: ignore[arg-type]


def finish(running: Program) -> None:
    supervise.end(running, lambda: True)


def test_sigterm_stops_the_program_and_its_children(
    supervisor: subprocess.Popen[str], tmp_path: Path
) -> None:
    supervisor.terminate()
    out, _ = supervisor.communicate(timeout=20)
    assert (supervisor.returncode, out) == (0, "claimed\nstopped\n")
    assert living(tmp_path) == []


def test_ctrl_c_stops_too(supervisor: subprocess.Popen[str], tmp_path: Path) -> None:
    os.killpg(supervisor.pid, signal.SIGINT)
    out, _ = supervisor.communicate(timeout=20)
    assert (supervisor.returncode, out) == (0, "claimed\nstopped\n")
    assert living(tmp_path) == []


def test_a_killed_program_is_restarted_without_its_orphans(
    supervisor: subprocess.Popen[str], tmp_path: Path
) -> None:
    [first] = families(tmp_path)
    os.kill(first[0], signal.SIGKILL)
    wait_until(lambda: len(families(tmp_path)) == 2, seconds=20, what="it is restarted")
    assert sorted(living(tmp_path)) == sorted(families(tmp_path)[1])


def test_a_killed_guard_takes_its_program_along(supervisor: subprocess.Popen[str], tmp_path: Path) -> None:
    [first] = families(tmp_path)
    os.kill(os.getpgid(first[0]), signal.SIGKILL)
    wait_until(lambda: len(families(tmp_path)) == 2, seconds=20, what="it is restarted")
    assert sorted(living(tmp_path)) == sorted(families(tmp_path)[1])


def test_nothing_outlives_a_killed_supervisor(supervisor: subprocess.Popen[str], tmp_path: Path) -> None:
    supervisor.kill()
    supervisor.communicate()
    wait_until(lambda: not living(tmp_path), seconds=20, what="the family is gone")
    os.close(supervise.claim(tmp_path, "family"))


def test_a_second_supervisor_is_refused_by_name(supervisor: subprocess.Popen[str], tmp_path: Path) -> None:
    with pytest.raises(AlreadyRunning) as refused:
        supervise.claim(tmp_path, "family")
    assert refused.value.pid == supervisor.pid
    os.close(supervise.claim(tmp_path, "another"))


def test_a_program_that_hangs_is_replaced(lifeline: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "STUCK_GRACE_SECONDS", 0.2)
    monkeypatch.setattr(supervise, "LOOK_SECONDS", 0.0)
    hanging = program(STUBBORN, is_stuck=lambda running: "hangs" if running > 0.3 else "")
    supervise.tend(hanging, lifeline)
    first = hanging.process
    assert first is not None
    time.sleep(0.5)
    supervise.tend(hanging, lifeline)
    assert (hanging.process, hanging.failures, first.returncode) == (None, 1, -signal.SIGKILL)
    supervise.tend(hanging, lifeline)
    assert hanging.process is not None
    finish(hanging)


def test_each_failure_in_a_row_waits_longer(lifeline: int) -> None:
    failing = program("raise SystemExit(1)")
    waits = []
    for _ in range(7):
        failing.not_before = 0.0
        supervise.tend(failing, lifeline)
        assert failing.process is not None
        failing.process.wait()
        ended = time.monotonic()
        supervise.tend(failing, lifeline)
        waits.append(round(failing.not_before - ended))
    assert waits == [0, 1, 3, 7, 15, 30, 30]


def test_a_steady_program_starts_from_the_beginning(lifeline: int) -> None:
    steady = program("import time; time.sleep(60)", failures=5)
    supervise.tend(steady, lifeline)
    supervise.tend(steady, lifeline)
    assert steady.failures == 5
    steady.started -= supervise.STEADY_SECONDS + 1
    supervise.tend(steady, lifeline)
    assert steady.failures == 0
    finish(steady)


def test_a_program_that_cannot_be_started_is_tried_again(
    lifeline: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    lost = program("pass")
    supervise.tend(lost, lifeline)
    assert (lost.process, lost.failures) == (None, 1)


def test_the_guard_insists_on_a_group_of_its_own() -> None:
    command = [sys.executable, "-m", "ledgerhub.core.guard", "0", "1", "true"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        "The guard has to be started as the leader of a process group.\n",
    )
