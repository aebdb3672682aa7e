"""Measure category suggestion on labelled bank lines, beside "the last category of this payee"."""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from reconciliation.categories import LEAST, Asked, Booked, learn

ROOT = Path(os.environ.get("LEDGERHUB_REFERENCE", Path(__file__).resolve().parents[2] / "shared"))
DATA = Path("vendor/datasets/personal_transactions/personal_transactions.csv")
_FOLDS = 10


class Labelled(NamedTuple):
    """A line with the category a person gave it, and in which order it came."""

    booked: Booked
    category: str


class Score(NamedTuple):
    """Shares: of lines on which the baseline is right; of lines with a suggestion; of those right ones."""

    lines: int
    baseline: float
    suggested: float
    right: float
    baseline_of_suggested: float


def read(path: Path) -> list[Labelled]:
    """In order of date; amounts in cents, signed by the transaction type."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows.sort(key=lambda row: dt.datetime.strptime(row["Date"], "%m/%d/%Y").replace(tzinfo=dt.UTC))
    ids = {name: number for number, name in enumerate(sorted({row["Category"] for row in rows}))}
    made = []
    for row in rows:
        size = round(float(row["Amount"]) * 100)
        amount = size if row["Transaction Type"] == "credit" else -size
        made.append(Labelled(Booked(row["Description"], amount, ids[row["Category"]]), row["Category"]))
    return made


def by_time(rows: Sequence[Labelled], share: float = 0.7) -> Score:
    """The first 70% are known; the rest come one after the other, each known once it was decided."""
    cut = int(len(rows) * share)
    names = {row.booked.account: row.category for row in rows}
    outcomes = []
    for start in range(cut, len(rows), 10):
        outcomes += list(_outcomes(rows[:start], rows[start : start + 10], names))
    return _score(outcomes)


def by_time_once(rows: Sequence[Labelled], share: float = 0.7) -> Score:
    """The first 70% are known, and nothing of the rest."""
    cut = int(len(rows) * share)
    return _score(list(_outcomes(rows[:cut], rows[cut:], {row.booked.account: row.category for row in rows})))


def by_unseen_text(rows: Sequence[Labelled]) -> Score:
    """Ten folds of descriptions: those of a fold were never seen. Each description counts once."""
    names = {row.booked.account: row.category for row in rows}
    texts = sorted({row.booked.text for row in rows})
    fold = {text: number % _FOLDS for number, text in enumerate(texts)}
    outcomes = []
    for held in range(_FOLDS):
        known = [row for row in rows if fold[row.booked.text] != held]
        first = {row.booked.text: row for row in reversed(rows) if fold[row.booked.text] == held}
        outcomes += list(_outcomes(known, list(first.values()), names))
    return _score(outcomes)


def _outcomes(
    known: Sequence[Labelled], asked: Sequence[Labelled], names: dict[int, str]
) -> Iterator[tuple[bool, bool, bool]]:
    """Of each line: whether the baseline is right, whether something was suggested, whether that is right."""
    last = {row.booked.text: row.booked.account for row in known}
    [(usual, _)] = Counter(row.booked.account for row in known).most_common(1)
    habits = learn([row.booked for row in known], names)
    suggestions = habits.suggest([Asked(row.booked.text, row.booked.amount) for row in asked])
    for row, suggestion in zip(asked, suggestions, strict=True):
        truth = row.booked.account
        yield (
            last.get(row.booked.text, usual) == truth,
            suggestion is not None,
            suggestion is not None and suggestion.account == truth,
        )


def _score(outcomes: Sequence[tuple[bool, bool, bool]]) -> Score:
    made = [one for one in outcomes if one[1]]
    return Score(
        lines=len(outcomes),
        baseline=sum(one[0] for one in outcomes) / len(outcomes),
        suggested=len(made) / len(outcomes),
        right=sum(one[2] for one in made) / max(len(made), 1),
        baseline_of_suggested=sum(one[0] for one in made) / max(len(made), 1),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", type=Path, default=ROOT / DATA)
    rows = read(parser.parse_args().file)
    print(
        f"suggested from a probability of {LEAST}; baseline: last category of the same text, else the usual"
    )
    print("split                 lines  baseline  suggested  right of them  baseline on them  CPU s")
    for name, split in (
        ("by time, once", by_time_once),
        ("by time, going on", by_time),
        ("by unseen text", by_unseen_text),
    ):
        started = time.process_time()
        score = split(rows)
        print(
            f"{name:<20} {score.lines:>6} {score.baseline:>9.3f} {score.suggested:>10.3f}"
            f" {score.right:>14.3f} {score.baseline_of_suggested:>17.3f}"
            f" {time.process_time() - started:>6.1f}"
        )


if __name__ == "__main__":
    main()
