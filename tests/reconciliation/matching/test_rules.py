"""Bank rules, auto-approval, expiry and habits: what they apply to, what they book, what they never do."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciliation.matching import levels as lv
from reconciliation.rules import (
    AutoApproval,
    BankRule,
    Booked,
    Candidate,
    Habit,
    Lines,
    Split,
    expires,
    first_approval,
    first_rules,
    habits,
    most_wrong,
    payee_words,
    split_problem,
)

FEES = BankRule(
    1, "Bank fees", (Split(6800),), contains=("service charge", "Maintenance  fee"), sign="out", maximum=10000
)


def applies(rule: BankRule, text: str, amount: int, account: int = 7) -> bool:
    return Lines([text], [amount], [account]).applies(rule).tolist() == [True]


@pytest.mark.parametrize(
    ("text", "amount", "expected"),
    [
        ("MONTHLY MAINTENANCE FEE", -2999, True),
        ("Service\tCharge March", -10000, True),
        ("SERVICE CHARGE", 500, False),
        ("SERVICE CHARGE", -10001, False),
        ("ACME TRADING", -500, False),
        ("SERVICE CHARGE", 0, False),
    ],
)
def test_a_rule_applies_when_all_its_conditions_hold(text: str, amount: int, expected: bool) -> None:
    assert applies(FEES, text, amount) is expected


def test_a_rule_without_conditions_never_applies_and_the_first_wins() -> None:
    anything = BankRule(2, "Anything", (Split(9999),))
    blank = BankRule(3, "Blank", (Split(9999),), contains=("  ",))
    small = BankRule(4, "Small", (Split(6900),), maximum=5000)
    elsewhere = BankRule(5, "Elsewhere", (Split(6000),), contains=("service",), account=8)
    lines = Lines(["SERVICE CHARGE", "COFFEE", "COFFEE"], [-100, -100, -9000], [7, 7, 7])
    found = first_rules([anything, blank, elsewhere, FEES, small], lines)
    assert [(position, rule.name, booked) for position, rule, booked in found] == [
        (0, "Bank fees", [Booked(6800, -100, "")]),
        (1, "Small", [Booked(6900, -100, "")]),
    ]


def test_texts_do_not_reach_over_two_lines() -> None:
    lines = Lines(
        ["service", "charge", "x service charge x", "service charge service charge"], [-1] * 4, [7] * 4
    )
    assert lines.applies(FEES).tolist() == [False, False, True, True]


def test_a_rule_that_cannot_book_a_line_leaves_it_to_the_next() -> None:
    fixed = BankRule(2, "Rent", (Split(1, amount=500), Split(2)), sign="out")
    rest = BankRule(3, "Rest", (Split(3),), sign="out")
    found = first_rules([fixed, rest], Lines(["a", "b"], [-499, -500], [7, 7]))
    assert [(rule.name, booked) for _, rule, booked in found] == [
        ("Rest", [Booked(3, -499, "")]),
        ("Rent", [Booked(1, -500, "")]),
    ]


@pytest.mark.parametrize(
    ("splits", "amount", "expected"),
    [
        ((Split(1),), -1000, [(1, -1000)]),
        ((Split(1, percent=Decimal("33.3333")), Split(2)), 100, [(1, 33), (2, 67)]),
        ((Split(1, percent=Decimal(50)), Split(2, percent=Decimal(50))), -101, [(1, -51), (2, -50)]),
        (
            (Split(1, amount=250), Split(2, percent=Decimal(10)), Split(3)),
            -1000,
            [(1, -250), (2, -100), (3, -650)],
        ),
        ((Split(1, tax_percent=Decimal(19), tax_account=9),), -11900, [(1, -10000), (9, -1900)]),
        ((Split(1, tax_percent=Decimal("8.25"), tax_account=9),), 100, [(1, 92), (9, 8)]),
        ((Split(1, amount=250), Split(2)), 250, [(1, 250)]),
        ((Split(1, amount=251), Split(2)), 250, None),
        ((Split(1, percent=Decimal(60)),), 250, None),
        ((Split(1), Split(2)), 250, None),
        ((Split(1, percent=Decimal(60)), Split(2, percent=Decimal(60)), Split(3)), 250, None),
    ],
)
def test_parts_of_a_line(
    splits: tuple[Split, ...], amount: int, expected: list[tuple[int, int]] | None
) -> None:
    booked = BankRule(1, "R", splits, sign="out").book(amount)
    assert (None if booked is None else [(part.account, part.amount) for part in booked]) == expected


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(-(10**12), 10**12).filter(bool),
    st.lists(st.integers(1, 400_000), min_size=1, max_size=6),
    st.integers(0, 300_000),
)
def test_parts_always_sum_to_the_line(amount: int, shares: list[int], tax: int) -> None:
    percents = [Decimal(share) / 10_000 for share in shares]
    splits = [
        Split(i, percent=percent, tax_percent=Decimal(tax) / 10_000, tax_account=99)
        for i, percent in enumerate(percents)
    ]
    booked = BankRule(1, "R", (*splits, Split(50)), sign="in").book(amount)
    if sum(percents) <= 100:
        assert booked is not None
        assert sum(part.amount for part in booked) == amount
        assert all((part.amount > 0) == (amount > 0) for part in booked)
    else:
        assert booked is None


@pytest.mark.parametrize(
    ("splits", "beginning"),
    [
        ((), "Say which account"),
        ((Split(1), Split(2)), "Only one part"),
        ((Split(1, percent=Decimal(60)), Split(2, percent=Decimal(50))), "The percentages"),
        ((Split(1, percent=Decimal(60)),), "Leave one part"),
        ((Split(1, amount=60),), "Leave one part"),
        ((Split(1, percent=Decimal(100)),), ""),
        ((Split(1, amount=60), Split(2)), ""),
    ],
)
def test_splits_that_cannot_come_to_the_whole(splits: tuple[Split, ...], beginning: str) -> None:
    problem = split_problem(splits)
    assert problem.startswith(beginning)
    assert bool(problem) is bool(beginning)


def test_many_lines_and_many_rules_are_quick() -> None:
    count = 100_000
    texts = [
        f"CARD PAYMENT {number % 977} SHOP NUMBER {number % 5003} REF {number}" for number in range(count)
    ]
    rules = [
        BankRule(n, f"R{n}", (Split(n),), contains=(f"shop number {n} ref", f"other {n}"))
        for n in range(1, 201)
    ]
    lines = Lines(texts, [-1000 - n for n in range(count)], [7] * count)
    started = time.process_time()
    found = first_rules(rules, lines)
    assert time.process_time() - started < 5
    assert len(found) == sum(1 <= n % 5003 <= 200 for n in range(count))
    assert all(f"SHOP NUMBER {rule.key} " in texts[position] for position, rule, _ in found)


# ── auto-approval ─────────────────────────────────────────────────────────────────────────────────────

SURE = AutoApproval(1, "Sure", "one to one", min_probability=0.99, maximum=50000)
CASE = {"kind": "one to one", "probability": 0.995, "amount": -50000}


def test_auto_approval_never_takes_a_tie_or_a_difference() -> None:
    assert SURE.allows(Candidate(**CASE))  # type: ignore[arg-type]
    for change in (
        {"kind": "one to many"},
        {"probability": 0.98},
        {"probability": None},
        {"amount": 50001},
        {"tie": True},
        {"difference": 1},
    ):
        assert not SURE.allows(Candidate(**{**CASE, **change}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("levels", "amount", "reference"),
    [
        ({}, False, False),
        ({"amount": lv.EXACT_ONCE}, True, False),
        ({"amount": lv.SUM, "batch": lv.SAME_BATCH}, True, True),
        ({"amount": lv.EXACT_COMMON, "reference": lv.WHOLE}, True, True),
        ({"amount": lv.EXACT_ONCE, "reference": lv.REFERENCE_CUT}, True, False),
        ({"amount": lv.CENTS, "reference": lv.WHOLE}, False, False),
    ],
)
def test_levels_of_evidence(levels: dict[str, int], amount: bool, reference: bool) -> None:
    case = Candidate("one to one", 100, 0.999, levels=levels)
    assert AutoApproval(1, "A", "one to one", level="amount").allows(case) is amount
    assert AutoApproval(1, "R", "one to one", level="reference").allows(case) is reference
    assert AutoApproval(1, "Any", "one to one").allows(case)


def test_bank_rules_carry_no_probability_and_accounts_confine() -> None:
    case = Candidate("bank rule", 100, None, account=7)
    rules = [
        AutoApproval(1, "Elsewhere", "bank rule", account=8),
        AutoApproval(2, "Here", "bank rule", min_probability=0.9, account=7),
    ]
    assert first_approval(rules, case) == rules[1]
    assert first_approval(rules[:1], case) is None


@pytest.mark.parametrize(
    ("wrong", "seen", "expected"),
    [(0, 412, 0.0072), (0, 1, 0.95), (1, 100, 0.0466), (3, 3, 1.0), (0, 3000, 0.001)],
)
def test_how_wrong_it_may_be(wrong: int, seen: int, expected: float) -> None:
    assert most_wrong(wrong, seen) == pytest.approx(expected, abs=0.0001)


@pytest.mark.parametrize(
    ("decided", "expected"),
    [
        ([], False),
        ([True, True], False),
        ([True, True, True], True),
        ([True] * 3 + [False] * 56, True),
        ([True] * 3 + [False] * 57, False),
        ([True] * 5 + [False] * 95, False),
        ([True] * 6 + [False] * 94, True),
        ([False] * 100 + [True] * 50, False),
    ],
)
def test_when_a_rule_expires(decided: list[bool], expected: bool) -> None:
    assert expires(decided) is expected


# ── habits ────────────────────────────────────────────────────────────────────────────────────────────


def test_habits_are_booked_alike_and_never_elsewhere() -> None:
    decided = [
        *[(f"DHL EXPRESS {n} BONN", 6200) for n in range(7)],
        *[(f"ACME LTD {n}", 6300) for n in range(3)],
        ("INV 7 ACME LTD", 6400),
        *[("SHELL 12", 6500)] * 2,
        *[(f"{n} NO WORDS FIRST", 6500) for n in range(5)],
        *[("POS 1", 6500), ("POS 2", 6500), ("POS 3", 6500)],
    ]
    assert habits(decided) == [Habit("DHL EXPRESS", 6200, 7)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("DHL EXPRESS 123", "DHL EXPRESS"),
        ("Amazon* Mktp DE 99", "Amazon Mktp DE"),
        ("one two three four five", "one two three four"),
        ("AB 12", ""),
        ("", ""),
    ],
)
def test_the_words_of_a_payee(text: str, words: str) -> None:
    assert payee_words(text) == words
