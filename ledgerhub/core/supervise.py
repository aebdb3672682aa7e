"""One process that keeps the others running: web server, job cluster and, in the demo, the sandbox."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ledgerhub.core import guard

log = logging.getLogger(__name__)

GRACE_SECONDS = 25.0  # for all programs together, when we are asked to stop
STUCK_GRACE_SECONDS = 5.0
ORPHAN_GRACE_SECONDS = 10.0  # for a program whose supervisor was killed
STEADY_SECONDS = 60.0  # a program that ran that long has not failed in a row
MAX_BACKOFF_SECONDS = 30.0
LOOK_SECONDS = 10.0


class AlreadyRunning(Exception):
    """Another supervisor on this host has what is claimed; `pid` is its process, 0 where unknown."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"process {pid}")
        self.pid = pid


@dataclass
class Program:
    """One child: its command and, where it has one, a look at whether it still works inside.

    `is_stuck` takes the seconds since the start and gives the reason to replace it, else "". `claim` is the
    lock (see `claim`) that is held until the last process of the program is gone.
    """

    name: str
    command: Sequence[str]
    is_stuck: Callable[[float], str] = lambda running: ""
    claim: int | None = None
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    looked: float = 0.0
    failures: int = 0
    not_before: float = 0.0


class Stop:
    """SIGINT or SIGTERM asks us to stop; a second one means at once."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, signum: int, frame: object) -> None:
        self.asked += 1


def run(programs: Sequence[Program], *, poll: float = 0.5, grace: float = GRACE_SECONDS) -> None:
    """Tend the programs until SIGINT or SIGTERM, then stop them, last one first, within the grace."""
    stop = Stop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, stop)
    lifeline, ours = os.pipe()  # nobody else holds `ours`: it closes when this process ends, however it ends
    try:
        while not stop.asked:
            for program in programs:
                tend(program, lifeline)
            time.sleep(poll)
    finally:
        log.info("stopping")
        deadline = time.monotonic() + grace
        for program in reversed(programs):
            end(program, lambda: stop.asked > 1 or time.monotonic() > deadline)
        os.close(ours)
        os.close(lifeline)


def tend(program: Program, lifeline: int) -> None:
    """Start a child, or restart one that ended or hangs; each failure in a row waits twice as long."""
    now = time.monotonic()
    if program.process is None:
        if now >= program.not_before:
            start(program, lifeline)
        return
    trouble = _trouble(program, now)
    if not trouble:
        if now - program.started > STEADY_SECONDS:
            program.failures = 0
        return
    log.warning("%s %s; restarting it", program.name, trouble)
    patience = now + STUCK_GRACE_SECONDS
    end(program, lambda: time.monotonic() > patience)
    _back_off(program)


def start(program: Program, lifeline: int) -> None:
    """Each child leads a session of its own: Ctrl-C reaches us alone, and we stop the children in order."""
    log.info("starting %s", program.name)
    inherited = [lifeline] if program.claim is None else [lifeline, program.claim]
    words = [sys.executable, "-I", "-S", guard.__file__, str(lifeline), str(ORPHAN_GRACE_SECONDS)]
    program.started = program.looked = time.monotonic()
    try:
        program.process = subprocess.Popen(
            [*words, *program.command], start_new_session=True, pass_fds=inherited
        )
    except OSError as error:  # no memory, no processes left: try again later
        log.error("%s could not be started: %s", program.name, error)
        _back_off(program)


def end(program: Program, is_over: Callable[[], bool]) -> None:
    """SIGTERM to the program (its workers finish what they hold), then SIGKILL to whatever is left."""
    process = program.process
    if process is None:
        return
    process.terminate()
    while process.poll() is None and not is_over():
        time.sleep(0.05)
    if process.poll() is None:
        log.warning("%s did not stop in time", program.name)
    _kill_group(process.pid)
    process.wait()
    program.process = None


def _trouble(program: Program, now: float) -> str:
    if program.process is not None and program.process.poll() is not None:
        return "ended"
    if now - program.looked < LOOK_SECONDS:
        return ""
    program.looked = now
    return program.is_stuck(now - program.started)


def _back_off(program: Program) -> None:
    program.failures += 1
    wait = min(2.0 ** (program.failures - 1) - 1, MAX_BACKOFF_SECONDS)
    program.not_before = time.monotonic() + wait


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # nobody is left (macOS says it the second way)
        return


def claim(directory: Path, name: str, *, patience: float = ORPHAN_GRACE_SECONDS + 5) -> int:
    """Take the lock `name` of this host; it is held until this process and its children's guards are gone.

    Gives the lock's file descriptor. When a supervisor was killed, its programs are still ending: we wait
    for them up to `patience` seconds. Raises AlreadyRunning.
    """
    directory.mkdir(parents=True, exist_ok=True)
    file = os.open(directory / f"{os.uname().nodename}-{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + patience
    while not _locked(file):
        holder = int(os.pread(file, 20, 0) or 0)
        if _is_alive(holder) or time.monotonic() > deadline:
            os.close(file)
            raise AlreadyRunning(holder)
        time.sleep(0.1)
    os.ftruncate(file, 0)
    os.pwrite(file, str(os.getpid()).encode(), 0)
    return file


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
