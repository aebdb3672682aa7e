"""The plain matcher of an afternoon: reference, then amount and payer, then what is left over."""

from __future__ import annotations

import csv
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import combinations
from pathlib import Path

from rapidfuzz.fuzz import token_set_ratio

BEFORE, AFTER = 62, 15
LIKE, SAME = 60, 88
MOST_ADDED = 12
MOST_TRIED = 200
REFERENCE = re.compile(r"[A-Z]{2,5}[- ]?\d{3,}|#\d{3,}")
Row = dict[str, str]


class Matcher:
    """Greedy: whatever fits first is taken, the surest rule first."""

    def __init__(self, lines: list[Row], entries: list[Row]) -> None:
        self.lines, self.entries = lines, entries
        self.used: set[str] = set()
        self.pairs: list[tuple[str, str, float]] = []
        for row in (*lines, *entries):
            row["day"] = str(date.fromisoformat(row["date"]).toordinal())
            row["cents"] = row["amount"].replace(".", "")
            row["text"] = f"{row['counterparty']} {row['description']}".upper()

        batches: dict[str, list[Row]] = defaultdict(list)
        for entry in entries:
            batches[entry["batch"]].append(entry)
        for entry in entries:
            entry["total"] = f"={_total(batches[entry['batch']])}" if entry["batch"] else ""

    def match(self) -> list[tuple[str, str, float]]:
        open_lines = list(self.lines)
        for rule in (self._named, self._batch, self._payer, self._sum, self._part, self._nearest):
            candidates = self._index(rule.__name__)
            open_lines = [line for line in open_lines if not self._taken(line, rule(line, candidates))]
        return self.pairs

    def _taken(self, line: Row, found: tuple[list[Row], float] | None) -> bool:
        if found is None:
            return False
        for entry in found[0]:
            self.used.add(entry["id"])
            self.pairs.append((line["id"], entry["id"], found[1]))
        return True

    def _index(self, rule: str) -> dict[str, list[Row]]:
        index: dict[str, list[Row]] = defaultdict(list)
        for entry in self.entries:
            if entry["id"] not in self.used:
                for key in _keys(rule, entry):
                    index[key].append(entry)
        return index

    def _free(self, rows: list[Row]) -> list[Row]:
        return [row for row in rows if row["id"] not in self.used]

    def _named(self, line: Row, index: dict[str, list[Row]]) -> tuple[list[Row], float] | None:
        """The entries whose reference the line names, if their sum is the line's amount."""
        named = [entry for key in references(line) for entry in index.get(key, ())]
        entries = self._free(list({entry["id"]: entry for entry in named}.values()))
        equal = [entry for entry in entries if entry["cents"] == line["cents"]]
        if equal:
            best = max(equal, key=lambda entry: _likeness(line, entry))
            return [best], 0.98 + _likeness(line, best) / 10_000
        return (entries, 0.97) if entries and _total(entries) == int(line["cents"]) else None

    def _batch(self, line: Row, index: dict[str, list[Row]]) -> tuple[list[Row], float] | None:
        """The batch that the line names, or the one batch of its total."""
        names = {line["batch"].upper(), *line["text"].split()} - {""}
        named = self._free([entry for name in names for entry in index.get(name, ())])
        if named and _total(named) == int(line["cents"]):
            return named, 0.98
        totals = self._free(index.get(f"={line['cents']}", []))
        return (totals, 0.9) if totals and _total(totals) == int(line["cents"]) else None

    def _payer(self, line: Row, index: dict[str, list[Row]]) -> tuple[list[Row], float] | None:
        """The entry of this amount whose payer is most like the line's text, the nearest date first."""
        words = {word for word in line["text"].split() if len(word) > 3}
        rows = [entry for word in words for entry in index.get(f"{line['cents']} {word}", ())[:MOST_TRIED]]
        near = [entry for entry in self._free(rows) if _in_window(line, entry)]
        if not near:
            return None
        ranked = sorted((-_likeness(line, entry), _days(line, entry), entry["id"]) for entry in near)
        best = {entry["id"]: entry for entry in near}[ranked[0][2]]
        like = -ranked[0][0]
        return ([best], 0.5 + like / 250) if like >= LIKE else None

    def _sum(self, line: Row, index: dict[str, list[Row]]) -> tuple[list[Row], float] | None:
        """Two to four entries of one payer that add up."""
        words = [word for word in line["text"].split() if len(word) > 3 and word in index]
        rows = self._free([entry for word in words for entry in index[word][:MOST_TRIED]])
        unlike = {entry["id"]: entry for entry in rows if _in_window(line, entry)}
        near = sorted((entry for entry in unlike.values() if _likeness(line, entry) >= SAME), key=_day)
        for count in (2, 3, 4):
            for chosen in combinations(near[-MOST_ADDED:], count):
                if _total(chosen) == int(line["cents"]):
                    return list(chosen), 0.85
        return None

    def _part(self, line: Row, index: dict[str, list[Row]]) -> tuple[list[Row], float] | None:
        """The one entry that the line names and does not pay in full: a fee, a discount or an instalment."""
        named = {entry["id"]: entry for key in references(line) for entry in index.get(key, ())}
        if len(named) != 1:
            return None
        (entry,) = named.values()
        paid, booked = int(line["cents"]), int(entry["cents"])
        if not 0 < paid * (1 if booked > 0 else -1) < abs(booked):
            return None
        self.pairs.append((line["id"], entry["id"], 0.9))
        return [], 0.9

    def _nearest(self, line: Row, index: dict[str, list[Row]]) -> tuple[list[Row], float] | None:
        rows = self._free(index.get(line["cents"], [])[:MOST_TRIED])
        near = [entry for entry in rows if _in_window(line, entry)]
        if not near:
            return None
        return [min(near, key=lambda entry: _days(line, entry))], 0.4 if len(near) == 1 else 0.2


def references(row: Row) -> Iterator[str]:
    for found in REFERENCE.findall(f"{row['reference']} {row['description']}".upper()):
        yield re.sub(r"\D", "", found)


def _keys(rule: str, entry: Row) -> list[str]:
    if rule in ("_named", "_part"):
        return list(dict.fromkeys(references(entry)))
    if rule == "_batch":
        return [key for key in (entry["batch"].upper(), entry["total"]) if key]
    if rule == "_nearest":
        return [entry["cents"]]
    words = {word for word in entry["counterparty"].upper().split() if len(word) > 3}
    if rule == "_sum":
        return list(words)
    return [f"{entry['cents']} {word}" for word in words]


def _total(entries: Iterable[Row]) -> int:
    return sum(int(entry["cents"]) for entry in entries)


def _day(row: Row) -> tuple[int, str]:
    return int(row["day"]), row["id"]


def _days(line: Row, entry: Row) -> int:
    return abs(int(line["day"]) - int(entry["day"]))


def _in_window(line: Row, entry: Row) -> bool:
    return -AFTER <= int(line["day"]) - int(entry["day"]) <= BEFORE


def _likeness(line: Row, entry: Row) -> float:
    return token_set_ratio(line["text"], entry["counterparty"].upper())


def _rows(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def main(statement: Path, ledger: Path, output: Path) -> None:
    with output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("line_id", "entry_id", "probability"))
        writer.writerows(Matcher(_rows(statement), _rows(ledger)).match())


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]))
