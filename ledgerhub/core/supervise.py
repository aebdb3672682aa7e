"""One process that keeps the others running: web server, job cluster and, in the demo, the sandbox."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

log = logging.getLogger(__name__)

GRACE_SECONDS = 25.0
MAX_BACKOFF_SECONDS = 30.0


@dataclass
class Program:
    """One child: its command and, where it has one, a test of whether it is still alive inside."""

    name: str
    command: Sequence[str]
    is_stuck: Callable[[float], bool] = lambda started: False
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    failures: int = 0
    not_before: float = field(default=0.0)


def start(program: Program) -> None:
    """Each child leads a process group of its own, so that Ctrl-C reaches us alone and we stop it in order."""
    log.info("starting %s", program.name)
    program.process = subprocess.Popen(program.command, start_new_session=True)
    program.started = time.monotonic()


def stop(program: Program, *, grace: float = GRACE_SECONDS) -> None:
    """SIGTERM to the main process only (its workers finish what they hold), then SIGKILL to the group."""
    process = program.process
    if process is None:
        return
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            log.warning("%s did not stop in %.0f s", program.name, grace)
    kill_group(process.pid)
    process.wait()


def kill_group(pid: int) -> None:
    """Whatever is left of a child's group: a killed cluster leaves orphans that go on working."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def tend(program: Program) -> None:
    """Restart a child that ended or hangs; each failure in a row waits twice as long."""
    now = time.monotonic()
    if program.process is None:
        if now >= program.not_before:
            start(program)
        return
    ended = program.process.poll() is not None
    if not ended and not program.is_stuck(program.started):
        if now - program.started > 60:
            program.failures = 0
        return
    log.warning("%s %s; restarting", program.name, "ended" if ended else "is stuck")
    stop(program, grace=5)
    program.failures += 1
    program.not_before = now + min(2.0**program.failures, MAX_BACKOFF_SECONDS) - 1
    program.process = None


def run(programs: Sequence[Program], *, poll: float = 1.0) -> None:
    """Tend the programs until SIGINT or SIGTERM, then stop them all, last started first."""
    stopping = False

    def on_signal(signum: int, frame: object) -> None:
        nonlocal stopping
        stopping = True

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, on_signal)
    try:
        while not stopping:
            for program in programs:
                tend(program)
            time.sleep(poll)
    finally:
        log.info("stopping")
        for program in reversed(programs):
            stop(program)
