"""Runs one program in a process group that ends as a whole: with the program, or with whoever started it.

    python guard.py LIFELINE GRACE command...

LIFELINE is the number of an inherited pipe end that reads end-of-file once the supervisor is gone, however it
went. Standard library only, so that a guard costs little. It has to lead its process group.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence


def main(lifeline: int, grace: float, command: Sequence[str]) -> None:
    """Run the command; afterwards nothing of the group is left, this process included."""
    if os.getpgrp() != os.getpid():
        raise SystemExit("The guard has to be started as the leader of a process group.")
    child = subprocess.Popen(command)  # file descriptors above 2 (lifeline, claim) stay here
    signal.signal(signal.SIGTERM, lambda signum, frame: child.terminate())
    threading.Thread(target=follow, args=(lifeline, grace, child), daemon=True).start()
    code = child.wait()
    if code not in (0, -signal.SIGTERM):  # that is how we ask it to end
        sys.stderr.write(f"{' '.join(command[1:4])}: {ending(code)}\n")
        sys.stderr.flush()
    os.killpg(0, signal.SIGKILL)  # a killed program leaves workers that would go on by themselves


def follow(lifeline: int, grace: float, child: subprocess.Popen[bytes]) -> None:
    """Wait for the supervisor's end; then let the program finish what it holds, within the grace."""
    os.read(lifeline, 1)
    child.terminate()
    try:
        child.wait(grace)
    except subprocess.TimeoutExpired:
        os.killpg(0, signal.SIGKILL)


def ending(code: int) -> str:
    return f"ended with code {code}" if code > 0 else f"was ended by signal {-code}"


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:])
