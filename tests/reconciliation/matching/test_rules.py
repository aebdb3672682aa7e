"""Bank rules and auto-approval: what they apply to, and what they never do."""

from __future__ import annotations

import pytest

from reconciliation.rules import AutoApproval, BankRule, Posting, first_rule

FEES = BankRule(
    "Bank fees", Posting("6800"), contains=("service charge", "maintenance fee"), sign="out", maximum=10000
)


@pytest.mark.parametrize(
    ("text", "amount", "applies"),
    [
        ("MONTHLY MAINTENANCE FEE", -2999, True),
        ("Service Charge March", -10000, True),
        ("SERVICE CHARGE", 500, False),
        ("SERVICE CHARGE", -10001, False),
        ("ACME TRADING", -500, False),
    ],
)
def test_a_rule_applies_when_all_its_conditions_hold(text: str, amount: int, applies: bool) -> None:
    assert FEES.applies(text=text, amount=amount, account="1200") is applies


def test_a_rule_without_conditions_never_applies_and_the_first_wins() -> None:
    anything = BankRule("Anything", Posting("9999"))
    small = BankRule("Small", Posting("6900"), maximum=5000)
    elsewhere = BankRule("Elsewhere", Posting("6000"), contains=("service",), account="1210")
    rules = [anything, elsewhere, FEES, small]
    assert first_rule(rules, text="SERVICE CHARGE", amount=-100, account="1200") == FEES
    assert first_rule(rules, text="COFFEE", amount=-100, account="1200") == small
    assert first_rule(rules, text="COFFEE", amount=-9000, account="1200") is None


def test_auto_approval_never_takes_a_tie_or_a_difference() -> None:
    rule = AutoApproval("one to one", min_probability=0.99, max_amount=50000)
    case = {"kind": "one to one", "probability": 0.995, "amount": -50000, "tie": False, "difference": 0}
    assert rule.allows(**case)  # type: ignore[arg-type]
    for change in (
        {"kind": "one to many"},
        {"probability": 0.98},
        {"amount": 50001},
        {"tie": True},
        {"difference": 1},
    ):
        assert not rule.allows(**{**case, **change})  # type: ignore[arg-type]
