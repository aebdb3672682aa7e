"""`python -m tests.stages check test-fast ...`: targets of the Makefile, two at a time.

Many of them wait, for a browser or for what was killed to come back; another works meanwhile. What each says
is kept in `test-results/`. After a failure nothing new begins, and what failed says it whole at the end.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

KEPT = Path(__file__).resolve().parent.parent / "test-results"
AT_ONCE = 2
MAKE = ("make", "--no-print-directory")


def main(names: Sequence[str], *, make: Sequence[str] = MAKE, kept: Path = KEPT) -> int:
    """Run these targets, in this order; 0 where all passed."""
    kept.mkdir(exist_ok=True)
    failed = Event()

    def run(name: str) -> str:
        """How it ended: "passed", "failed", or "not begun"."""
        if failed.is_set():
            return "not begun"
        _say(f"{name} begins")
        begun, said = time.monotonic(), kept / f"{name}.txt"
        with said.open("wb") as output:
            code = subprocess.call([*make, name], stdout=output, stderr=subprocess.STDOUT)
        if code:
            failed.set()
        how = "failed" if code else "passed"
        _say(f"{name} {how} after {time.monotonic() - begun:.0f} s: {_last_line(said)}")
        return how

    with ThreadPoolExecutor(AT_ONCE) as lanes:
        ended = dict(zip(names, lanes.map(run, names), strict=True))
    for name in (name for name in names if ended[name] == "not begun"):
        _say(f"{name} was not begun")
    for name in (name for name in names if ended[name] == "failed"):
        _say(f"\n{name}\n{'=' * len(name)}\n{(kept / f'{name}.txt').read_text(errors='replace')}")
    return 1 if failed.is_set() else 0


def _last_line(said: Path) -> str:
    return next(
        (line for line in reversed(said.read_text(errors="replace").splitlines()) if line.strip()), ""
    )


def _say(words: str) -> None:
    # In one piece: of a line that is printed its end comes apart.
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
