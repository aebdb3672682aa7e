"""Suggested accounts: the payee of a text, what history and words say, how good it is on labelled data."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from benchmarks import categories as benchmark
from reconciliation.categories import LEAST, Asked, Booked, Suggestion, learn
from reconciliation.payees import payee

NAMES = {1: "6320 Postage", 2: "6510 Meals", 3: "6300 Software", 4: "4000 Sales"}


@pytest.mark.parametrize(
    ("text", "key", "stem"),
    [
        ("SQ *BLUE BOTTLE COF 03/12 SAN FRANCISCO CA", "blue bottle cof san francisco", "blue bottle"),
        ("STARBUCKS 1234 SEATTLE WA", "starbucks seattle", "starbucks"),
        ("POS DEBIT VISA 4411 SHELL OIL 57442 HOUSTON TX", "shell oil houston", "shell oil"),
        ("AMZN MKTP US*2K4XY12", "amazon marketplace", "amazon marketplace"),
        ("DHL Express GmbH 2025-03-01 REF 9912", "dhl express", "dhl express"),
        ("7-ELEVEN 3321", "7 eleven", "7 eleven"),
        ("H&M 0032", "h&m", "h&m"),
        ("Rent March", "rent", "rent"),
        ("Chili’s", "chilis", "chilis"),
        ("Café Zürich 12:45", "cafe zurich", "cafe zurich"),
        ("מכולת השכונה 12", "מכולת השכונה", "מכולת השכונה"),
        ("☕☕", "", ""),
        ("12345", "", ""),
        ("", "", ""),
    ],
)
def test_the_payee_of_a_text(text: str, key: str, stem: str) -> None:
    assert payee(text) == (key, stem)


def suggest(bookings: list[Booked], text: str, amount: int, *refused: int) -> Suggestion | None:
    [found] = learn(bookings, NAMES).suggest([Asked(text, amount, frozenset(refused))])
    return found


def booked(text: str, *accounts: int, amount: int = -1000) -> list[Booked]:
    return [Booked(text, amount, account) for account in accounts]


def test_the_payees_history_with_the_reason() -> None:
    history = booked("DHL EXPRESS 4411", 1, 1, 1, 1, 1)
    assert suggest(history, "DHL EXPRESS 9902", -1250) == Suggestion(
        1, 0.9259, "you booked the last 5 of 'DHL EXPRESS' to 6320 Postage"
    )
    assert suggest(history, "DHL EXPRESS", 1250) is None  # money in is another matter
    assert suggest(history, "ACME", -1250) is None
    assert suggest([], "DHL EXPRESS", -1250) is None


def test_a_branch_elsewhere_is_the_same_payee() -> None:
    found = suggest(booked("STARBUCKS 1234 SEATTLE WA", 2, 2, 2), "STARBUCKS 77 PORTLAND OR", -450)
    assert found is not None
    assert (found.account, found.reason) == (2, "you booked the last 3 of 'STARBUCKS' to 6510 Meals")


def test_newer_bookings_count_more() -> None:
    found = suggest(booked("NETFLIX", 2, 2, 2, 2, 2, 2, 3, 3, 3), "NETFLIX", -1000)
    assert found is not None
    assert (found.account, found.reason) == (3, "you booked the last 3 of 'NETFLIX' to 6300 Software")


def test_two_accounts_of_one_payee_are_told_apart_by_amount() -> None:
    history = [
        Booked("AMAZON", amount, account) for _ in range(5) for amount, account in ((-999, 3), (-25000, 1))
    ]
    assert [found and found.account for found in learn(history, NAMES).suggest(
        [Asked("AMAZON", -1005), Asked("AMAZON", -24800)]
    )] == [3, 1]  # fmt: skip
    found = suggest(history, "AMAZON", -999)
    assert found is not None
    assert found.reason == "you booked 5 of 5 of 'AMAZON' with about this amount to 6300 Software"


def test_a_refusal_counts_against_the_account_and_rules_it_out_for_the_line() -> None:
    history = booked("DHL", 1, 1)
    assert suggest(history, "DHL", -1000) is not None
    assert suggest(history, "DHL", -1000, 1) is None
    assert suggest([*history, Booked("DHL", -1000, 1, refused=True)], "DHL", -1000) is None


def test_an_account_that_is_no_more_is_not_suggested() -> None:
    assert suggest(booked("DHL", 9, 9, 9), "DHL", -1000) is None


def test_words_of_payees_never_seen() -> None:
    history = [row for number in range(20) for row in (
        *booked(f"{chr(65 + number) * 3} RESTAURANT", 2), *booked(f"CLOUD HOSTING {chr(65 + number) * 3}", 3)
    )]  # fmt: skip
    found = suggest(history, "ZZZ RESTAURANT 12", -2000)
    assert found is not None
    assert (found.account, found.reason) == (2, "texts with 'restaurant' mostly went to 6510 Meals")
    assert learn(history, NAMES).suggest([]) == []


def test_the_same_bookings_suggest_the_same() -> None:
    history = [row for number in range(200) for row in booked(f"PAYEE {number % 40:x} SHOP", number % 3 + 1)]
    asked = [Asked(f"PAYEE {number:x} STORE", -500) for number in range(50)]
    assert learn(history, NAMES).suggest(asked) == learn(history, NAMES).suggest(asked)


def test_braces_and_endless_texts_are_texts() -> None:
    history = booked("{account} {0}", 1, 1, 1)
    assert suggest(history, "{account} {0}", -1000) is not None
    assert suggest(booked("X" * 10_000, 1, 1, 1), "X" * 10_000, -1000) is not None


def test_many_bookings_are_learned_in_seconds() -> None:
    accounts = {number: f"{number}" for number in range(40)}
    syllables = ("mar", "ton", "bel", "sur", "kin", "dop", "ral", "ves", "quo", "lim")
    history = [
        Booked(
            f"{syllables[n % 10]}{syllables[n // 10 % 10]} {syllables[n // 100 % 10]}co {n}", -n - 1, n % 40
        )
        for n in range(6_000)
    ]
    started = time.process_time()
    habits = learn(history, accounts)
    habits.suggest([Asked(f"{syllables[n % 10]}ko", -5) for n in range(2_000)])
    assert time.process_time() - started < 12


def test_on_labelled_lines_it_is_better_than_the_last_category(reference: Path) -> None:
    path = reference / benchmark.DATA
    if not path.exists():
        pytest.skip(f"no labelled lines at {path}")
    rows = benchmark.read(path)
    later, unseen = benchmark.by_time_once(rows), benchmark.by_unseen_text(rows)
    assert LEAST == 0.6
    assert later.suggested >= 0.95
    assert later.right >= 0.99
    assert later.suggested * later.right >= later.baseline
    assert unseen.suggested >= 0.15
    assert unseen.right >= 0.75
    assert unseen.baseline == 0
