"""The engine beside Splink and a plain matcher: same files, a process each, quality, time and peak memory."""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.scoring import Figures, figures
from benchmarks.workloads import Workload, generate
from ledgerhub.core.money import from_minor

ROOT = Path(__file__).parent.parent
SPLINK = ROOT / ".venv-splink" / "bin" / "python"
COLUMNS = ("id", "date", "amount", "currency", "description", "reference", "counterparty", "batch")
FILES = ("statement.csv", "ledger.csv")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One matcher on one workload. `words` says why there are no figures."""

    figures: Figures | None
    seconds: float
    processor: float
    peak: float
    words: str = ""


def main() -> None:
    arguments = _arguments()
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as folder:
            work = generate(size, seed=arguments.seed)
            write(work, Path(folder))
            truth, ids = work.truth, [str(row["id"]) for row in work.lines]
            print(f"\n{len(work.lines):,} statement lines, {len(work.entries):,} entries", flush=True)
            del work
            outcomes = {}
            for name, command in _contenders(Path(folder)).items():
                output = Path(folder) / f"{name}.csv"
                outcomes[name] = _run([*command, str(output)], output, arguments.limit, truth, ids)
                print(_line(name, outcomes[name]), flush=True)
            print(_ratios(outcomes))


def write(work: Workload, folder: Path) -> None:
    for name, rows in zip(FILES, (work.lines, work.entries), strict=True):
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for row in rows:
                amount = f"{from_minor(int(str(row['amount'])), str(row['currency'])):.2f}"
                writer.writerow([amount if name == "amount" else row[name] for name in COLUMNS])


def _contenders(folder: Path) -> dict[str, list[str]]:
    """Commands by name; each ends with the file to write."""
    statement, ledger = (str(folder / name) for name in FILES)
    manage = [sys.executable, str(ROOT / "manage.py"), "match_files"]
    scripts = ROOT / "benchmarks" / "contenders"
    return {
        "engine": [*manage, "--statement", statement, "--ledger", ledger, "--output"],
        "plain": [sys.executable, str(scripts / "plain.py"), statement, ledger],
        "splink": [str(SPLINK), str(scripts / "splink_pairs.py"), statement, ledger],
    }


def _run(
    command: list[str], output: Path, limit: float, truth: set[tuple[str, str]], ids: Sequence[str]
) -> Outcome:
    """Whole process: wall and CPU seconds, peak memory in MB, both with its children."""
    if not Path(command[0]).exists():
        return Outcome(None, 0, 0, 0, "not installed: make benchmark-reconciliation installs it")
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    killer = threading.Timer(limit, process.kill)
    killer.start()
    errors = process.stderr.read() if process.stderr else ""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    killer.cancel()
    spent = time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    if process.returncode or not output.exists():
        last = (errors.strip().splitlines() or ["stopped"])[-1]
        return Outcome(None, *spent, f"stopped after {limit:.0f} s" if spent[0] >= limit else last[:100])
    return Outcome(figures(pairs_of(output), truth, ids), *spent)


def pairs_of(path: Path) -> Iterator[tuple[str, str, float]]:
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield row["line_id"], row["entry_id"], float(row["probability"])


HEADER = "        precision  recall  F1      exact   at 99.9%  seconds  CPU s    peak MB"


def _line(name: str, outcome: Outcome) -> str:
    head = f"{HEADER}\n" if name == "engine" else ""
    if outcome.figures is None:
        return f"{head}{name:<8}{outcome.words} ({outcome.seconds:.0f} s, {outcome.peak:.0f} MB)"
    precision, recall, f1, exact, approvable = outcome.figures
    return (
        f"{head}{name:<8}{precision:<11.4f}{recall:<8.4f}{f1:<8.4f}{exact:<8.4f}{approvable:<10.4f}"
        f"{outcome.seconds:<9.1f}{outcome.processor:<9.1f}{outcome.peak:.0f}"
    )


def _ratios(outcomes: Mapping[str, Outcome]) -> str:
    engine = outcomes["engine"]
    told = []
    for name, other in outcomes.items():
        if name != "engine" and other.figures and engine.figures:
            told.append(
                f"{name} needs {other.seconds / engine.seconds:.1f} times the seconds, "
                f"{other.processor / engine.processor:.1f} times the CPU and "
                f"{other.peak / engine.peak:.1f} times the memory of the engine"
            )
    return "\n".join(told)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=float, default=900, help="seconds a matcher may take")
    return parser.parse_args()


if __name__ == "__main__":
    main()
