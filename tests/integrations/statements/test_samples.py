"""Every bank file of the reference collection is read, or refused in words; results agree with its suites."""

from __future__ import annotations

import json
import re
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from integrations.statements import ParsedLine, StatementError, read

Moves = Counter[tuple[str, Decimal]]

# Samples that hold no bank statement, and the words that must say so.
REFUSED = {
    "csv/beanhub/other.csv": "No line with a date and an amount",
    "ofx/beancount-import/fidelity-ira.ofx": "investment",
    "ofx/beancount-import/fidelity_treasury.ofx": "investment",
    "ofx/beancount-import/vanguard_xfer_in.ofx": "investment",
    "ofx/csv2ofx/transfer_example.ofx": "holds no statement",
    "ofx/libofx/another-example.xml": "investment",
    "ofx/libofx/downcast.ofx": "holds no statement",
    "ofx/libofx/heap-buffer-overflow-2.ofx": "not text",
    "ofx/libofx/null-ptr-deref-1.ofx": "there is no date",
    "ofx/libofx/null-ptr-deref-2.ofx": "holds no statement",
    "ofx/libofx/ofx-2.1.1-sect-13.12.ofx": "investment",
    "ofx/libofx/ofx-2.1.1-sect-13.13.ofx": "investment",
    "ofx/libofx/ofx-2.1.1-sect-16.5.6.2.ofx": "investment",
    "ofx/libofx/ofx-2.1.1-sect-16.5.6.5.ofx": "investment",
    "ofx/libofx/ofx-2.1.1-sect-8.5.5.ofx": "list of accounts",
    "ofx/libofx/use-after-free.ofx": "there is no date",
    "ofx/ofxparse/account_listing_aggregation.ofx": "list of accounts",
    "ofx/ofxparse/error_message.ofx": "General Server Error",
    "ofx/ofxparse/fail_nice_date_missing.ofx": "there is no date",
    "ofx/ofxparse/fail_nice_decimal_error.ofx": "is not a date",
    "ofx/ofxparse/signon_success.ofx": "sign-in answer",
    "ofx/ofxparse/signon_success_no_message.ofx": "sign-in answer",
    "ofx/ofxparse/td_ameritrade.ofx": "investment",
    "ofx/ofxparse/vanguard.ofx": "investment",
    "ofx/ofxparse/vanguard401k.ofx": "investment",
    "ofx/ofxtools/invstmtrs.ofx": "investment",
    "ofx/ofxtools/profrs.ofx": "Signon invalid",
}

# Where we differ from the result that came with a sample, and why; the rest must agree.
DIFFERENT = {
    "csv/reckon/extratofake.csv": "its result books the opening balance ('Saldo Anterior') as a movement",
    "csv/reckon/regression_issue_51_account_tokens.csv": "its result takes restaurant bills as money in",
    "csv/reckon/ledger_date_format.csv": "its suite was told day first; the file has dollars and no order",
    "csv/reckon/spanish_date_example.csv": "its suite was told day first; the file has dollars and no order",
    "csv/csv2ofx/ingesp.csv": "its result mixes month first and day first in one column",
    "csv/csv2ofx/amazon.csv": "an order list; its suite knows by name that totals are spending",
    "csv/csv2ofx/mint_extra.csv": "its suite asked for a part of the period",
    "csv/csv2ofx/mint_headerless.csv": "its suite asked for a part of the period",
}


@pytest.fixture(scope="module")
def samples(reference: Path) -> Path:
    """The folder of statement samples."""
    folder = reference / "vendor" / "statements"
    if not folder.is_dir():
        pytest.skip(f"no statement samples at {folder}")
    return folder


def _index(samples: Path) -> list[dict[str, Any]]:
    listed = json.loads((samples / "INDEX.json").read_text("utf-8"))
    entries = listed if isinstance(listed, list) else next(v for v in listed.values() if isinstance(v, list))
    return [
        entry for entry in entries if entry["format"] in ("csv", "ofx") and "/profiles/" not in entry["path"]
    ]


def _lines(path: Path) -> list[ParsedLine]:
    return [line for statement in read(path) for line in statement.lines]


def test_every_sample_is_read_or_refused_in_words(samples: Path) -> None:
    refused = {}
    for entry in _index(samples):
        try:
            read(samples / entry["path"])
        except StatementError as error:
            refused[entry["path"]] = str(error)

    assert sorted(refused) == sorted(REFUSED)
    assert all(REFUSED[path] in words for path, words in refused.items())


def test_no_row_of_a_sample_is_lost(samples: Path) -> None:
    left_out = {}
    for entry in _index(samples):
        if entry["path"] not in REFUSED:
            count = sum(len(statement.problems) for statement in read(samples / entry["path"]))
            left_out[entry["path"]] = count

    assert {path: count for path, count in left_out.items() if count} == {
        "csv/bank2ynab/test_headers.csv": 2,  # two footer lines of running text
        "csv/csv2ofx/amazon.csv": 1,  # a cancelled order without a total
        "ofx/oca/test_ofx_wrong.ofx": 1,  # a movement without a date
    }


def test_expected_results_of_the_suites(samples: Path) -> None:
    compared, differing = 0, []
    for entry in _index(samples):
        expected = _expected(samples, entry)
        if expected is None or entry["format"] != "csv":
            continue
        compared += 1
        found = Counter((line.date.isoformat(), line.amount) for line in _lines(samples / entry["path"]))
        if found != expected:
            differing.append(entry["path"])

    assert sorted(differing) == sorted(DIFFERENT)
    assert compared >= 25


def test_ofx_agrees_with_independent_parsers(samples: Path) -> None:
    compared = 0
    for entry in _index(samples):
        reference = (samples / entry["path"]).with_suffix(".reference.json")
        if entry["format"] != "ofx" or entry["path"] in REFUSED or not reference.is_file():
            continue
        compared += 1
        for ours, theirs in zip(read(samples / entry["path"]), _theirs(reference), strict=True):
            assert _summary(ours) == theirs, entry["path"]

    assert compared >= 20


def _theirs(path: Path) -> list[dict[str, Any]]:
    statements = json.loads(path.read_text("utf-8"))["statements"]
    return [
        {
            "account": item["account_id"],
            "currency": (item["currency"] or "").upper(),
            "closing": Decimal(item["ledger_balance"]) if item.get("ledger_balance") else None,
            "moves": [
                (move["posted"][:10], Decimal(move["amount"]), move["fitid"]) for move in item["transactions"]
            ],
        }
        for item in statements
    ]


def _summary(statement: Any) -> dict[str, Any]:
    return {
        "account": statement.account,
        "currency": statement.currency,
        "closing": statement.closing,
        "moves": [(line.date.isoformat(), line.amount, line.provider_id) for line in statement.lines],
    }


def _expected(samples: Path, entry: dict[str, Any]) -> Moves | None:
    names = [name for name in entry["expected"] if "splits" not in name]
    for suffix, reader in ((".ledger", _ledger), (".beancount", _beancount), (".qif", _qif), (".ofx", _ofx)):
        for name in names:
            if name.endswith(suffix):
                return reader((samples / name).read_text("utf-8"))
    return None


def _ledger(text: str) -> Moves:
    moves: Moves = Counter()
    for block in re.split(r"\n\s*\n", text.strip()):
        day = block.split("\t")[0].strip()
        if "/" in day:
            day = "-".join(reversed(day.split("/")))
        amount = re.search(r"(?:Assets|Liabilities):[^\t]*\t+\s*(-?)\$?(-?[\d,.]+)", block)
        if amount:
            moves[(day, Decimal((amount[1] + amount[2]).replace(",", "")))] += 1
    return moves


def _beancount(text: str) -> Moves:
    entries = re.findall(r"date: (\d{4}-\d\d-\d\d)[^}]*?amount: (-?[\d.]+)", text)
    entries = entries or re.findall(r"^(\d{4}-\d\d-\d\d) \* .*\n\s+\S+\s+(-?[\d.]+) USD", text, re.MULTILINE)
    return Counter((day, Decimal(amount)) for day, amount in entries)


def _ofx(text: str) -> Moves:
    found = re.findall(r"<DTPOSTED>(\d{4})(\d\d)(\d\d).*?<TRNAMT>([-\d.]+)", text, re.DOTALL)
    return Counter((f"{year}-{month}-{day}", Decimal(amount)) for year, month, day, amount in found)


def _qif(text: str) -> Moves:
    moves: Moves = Counter()
    for record in text.split("^"):
        day = re.search(r"^D(\S+)$", record, re.MULTILINE)
        amount = re.search(r"^T(-?[\d.]+)$", record, re.MULTILINE)
        if day and amount:
            parts = re.split(r"[-/]", day[1])
            iso = day[1] if "-" in day[1] else f"{parts[2]}-{parts[0]}-{parts[1]}"
            moves[(iso, Decimal(amount[1]))] += 1
    return moves
