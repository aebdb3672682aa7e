"""Rules in words: what a version says, what its back-test found, and how sure that makes one."""

from __future__ import annotations

from ledgerhub.core.money import from_minor
from reconciliation import rulebook
from reconciliation.models import Rule, RuleSplit, RuleVersion
from reconciliation.rules import most_wrong

KIND_WORDS = {
    "one to one": "One line, one entry",
    "one to many": "One line, several entries",
    "many to one": "Several lines, one entry",
    "many to many": "Several lines, several entries",
    "bank rule": "What a bank rule proposes",
    "category": "A suggested category",
}


def says(version: RuleVersion) -> str:
    """The whole version in one sentence."""
    if version.rule.kind == Rule.Kind.APPROVAL:
        return "; ".join(conditions(version))
    return f"{'; '.join(conditions(version)) or 'Every line'} → {', '.join(bookings(version))}"


def conditions(version: RuleVersion) -> list[str]:
    if version.rule.kind == Rule.Kind.APPROVAL:
        return _approval_conditions(version)
    texts = rulebook.texts(version.contains)
    found = [f"text holds {' or '.join(f'“{text}”' for text in texts)}"] if texts else []
    if version.sign:
        found.append(version.get_sign_display().lower())
    return [*found, *_amounts(version), *_account(version)]


def _approval_conditions(version: RuleVersion) -> list[str]:
    found = [KIND_WORDS.get(version.match_kind, version.match_kind)]
    if version.level:
        found.append(version.get_level_display().lower())
    if version.min_probability is not None:
        found.append(f"{percent(version.min_probability)} likely or more")
    return [*found, *_amounts(version), *_account(version)]


def _amounts(version: RuleVersion) -> list[str]:
    found = []
    if version.minimum is not None:
        found.append(f"from {_money(version, version.minimum)}")
    if version.maximum is not None:
        found.append(f"up to {_money(version, version.maximum)}")
    return found


def _account(version: RuleVersion) -> list[str]:
    return [f"on {version.account}"] if version.account is not None else []


def bookings(version: RuleVersion) -> list[str]:
    """Where each part goes: "50% to 6200 Rent (19% tax of it to 1450 ...)"."""
    return [_booking(version, split) for split in version.splits.all()]


def _booking(version: RuleVersion, split: RuleSplit) -> str:
    part = ""
    if split.percent is not None:
        part = f"{split.percent.normalize():f}% to "
    elif split.amount is not None:
        part = f"{_money(version, split.amount)} to "
    tax = ""
    if split.tax_percent is not None:
        tax = f" ({split.tax_percent.normalize():f}% tax in it to {split.tax_account})"
    return f"{part}{split.account}{tax}"


def _money(version: RuleVersion, amount: int) -> str:
    currency = rulebook.currency_of(version)
    return f"{from_minor(amount, currency):,} {currency}"


def percent(share: float) -> str:
    """0.995 -> "99.5%"; as many decimals as it takes, at most three."""
    return f"{share * 100:.3f}".rstrip("0").rstrip(".") + "%"


def backtest_line(version: RuleVersion) -> str:
    """What the back-test found, in one sentence."""
    found = version.backtest or {}
    counts = found.get("counts", {})
    if not found:
        return "Not back-tested yet."
    if version.rule.kind == Rule.Kind.APPROVAL:
        return (
            f"{sure_words(counts['wrong'], counts['right'] + counts['wrong'])} "
            f"{_count(counts['open'], 'open proposal')} would be approved now."
        )
    return (
        f"Applies to {_count(found['applies'], 'line')} of the last {found['months']} months: "
        f"{counts['agreed']} booked the same by people, {counts['new']} new, {counts['wrong']} decided "
        f"otherwise, {counts['lost']} lost."
    )


def sure_words(wrong: int, seen: int) -> str:
    """ "0 wrong of 412: at most 0.7% wrong with 95% confidence"."""
    if not seen:
        return "Nothing decided yet falls under it, so nothing is known about how often it would be wrong."
    most = most_wrong(wrong, seen)
    digits = 1 if most >= 0.001 else 2
    return f"{wrong} wrong of {seen}: at most {most:.{digits}%} wrong with 95% confidence."


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
