"""Does every document arrive once: `python -m benchmarks.delivery [--documents 10000] [--kills 20]`.

Sales of a shop go to the sandbox's QuickBooks, which keeps the real limits (10 requests a second, 500 a
minute, 40 batches of 30 a minute), while the process that sends them is killed (SIGKILL) at random moments.
Leases of a killed worker are taken for over when the next one starts, so that the run is not mostly waiting.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path

import django

from benchmarks import environment

environment.prepare("tests.kill.settings")
django.setup()

from benchmarks.sync import machine  # noqa: E402 - models load after setup()
from tests.kill.delivering import Outcome, deliver  # noqa: E402
from tests.tables import installation  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description="Delivers documents under kills and counts what arrived.")
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--people", type=int, default=1, help="how many customers, none of them there yet")
    asked = parser.parse_args()
    print(f"{machine()}; QuickBooks' own limits")
    with tempfile.TemporaryDirectory(prefix="ledgerhub-benchmark-") as home, installation(Path(home)) as made:
        report(asked.documents, deliver(made, asked.documents, asked.kills, people=asked.people))


def report(documents: int, outcome: Outcome) -> None:
    times = Counter(outcome.arrived.values())
    doubled = sum(count for often, count in times.items() if often > 1)
    rate = documents / outcome.seconds * 60
    print(f"{documents:,} documents, killed {outcome.kills} times: {len(outcome.arrived):,} are there,")
    print(f"{documents - len(outcome.arrived):,} missing, {doubled:,} doubled; deliveries: {outcome.states};")
    print(f"{outcome.adopted:,} found there instead of sent again")
    print(f"{outcome.seconds:.0f} s, {rate:,.0f} documents a minute (40 batches of 30 would be 1,200)")
    if len(outcome.arrived) != documents or doubled:
        raise SystemExit("Not every document arrived once.")


if __name__ == "__main__":
    main()
