"""Simulates the wages of the business: a payroll every other Friday, a bonus, a reversal, one cancelled."""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from integrations.sandbox.events import DAY, business_days, guid, instant
from integrations.sandbox.venture import CHECKING, BankDraft, Booked, Plan, Venture

FEE = 5500  # what Gusto takes for each regular payroll
PREMIUM, SHARE = 18_000, 6000  # health insurance: the company's part, the employees'
SUPPORT = 4500  # child support withheld, and paid on by Gusto
FORTNIGHT = dt.timedelta(days=13)


class Payroll(NamedTuple):
    """In cents. `processed` and, where somebody took it back, `cancelled` are instants; one that is `deleted`
    then is listed no more. `reason` is why it is off-cycle; amounts of a reversal are negative. Its period
    ended `late` days before it is paid."""

    id: str
    check: dt.date
    processed: int
    net: int
    employee_taxes: int
    employer_taxes: int
    premium: int = 0
    share: int = 0
    support: int = 0
    reimbursed: int = 0
    tips: int = 0
    reason: str = ""
    cancelled: int = 0
    deleted: bool = False
    late: int = 5

    @property
    def gross(self) -> int:
        return self.net + self.employee_taxes + self.share + self.support

    @property
    def taxes(self) -> int:
        return self.employee_taxes + self.employer_taxes

    @property
    def period(self) -> tuple[dt.date, dt.date]:
        until = self.check - dt.timedelta(days=self.late)
        return until - FORTNIGHT, until

    def stands(self, clock: int) -> bool:
        return self.processed <= clock and not 0 < self.cancelled <= clock


@dataclass(frozen=True, eq=False)
class Wages(Venture):
    payrolls: tuple[Payroll, ...]

    def booked(self, clock: int) -> Iterator[Booked]:
        for one in self.payrolls:
            if one.stands(clock):
                yield Booked(f"payroll:{one.id}", "entry", one.check, (
                    ("wages", one.gross - one.tips),
                    ("tips", one.tips),
                    ("payroll_taxes", one.employer_taxes),
                    ("benefits", one.premium),
                    ("expenses", one.reimbursed),
                    ("wages_payable", -one.net - one.reimbursed),
                    ("payroll_taxes_payable", -one.taxes),
                    ("benefits_payable", -one.premium - one.share),
                    ("deductions_payable", -one.support),
                ))  # fmt: skip


def simulate_wages(plan: Plan) -> Wages:
    rng = random.Random(f"{plan.seed}:payroll")
    days = [plan.start + dt.timedelta(days=n) for n in range((plan.horizon - plan.start).days + 1)]
    fridays = [date for date in days if date.weekday() == 4 and (date.toordinal() // 7) % 2 == 0]
    payrolls = [*(_regular(rng, date) for date in fridays), *_others(rng, plan.start)]
    payrolls.sort(key=lambda one: (one.check, one.id))
    return Wages(payrolls=tuple(payrolls), bank_drafts=tuple(_bank(payrolls)))


def _regular(rng: random.Random, check: dt.date) -> Payroll:
    net = rng.randint(230_000, 254_000)
    taxes = net * 31 // 100
    return Payroll(
        guid(rng),
        check,
        instant(check, 15) - 3 * DAY,
        net,
        taxes - taxes // 4,
        taxes // 4,
        PREMIUM,
        SHARE,
        SUPPORT,
        reimbursed=rng.choice((0, 0, rng.randint(1500, 9000))),
        tips=rng.randint(4000, 9000),
    )


def _others(rng: random.Random, start: dt.date) -> Iterator[Payroll]:
    """A bonus of which half is taken back, a correction that is cancelled on the next day, and one that is
    deleted at that."""
    paid, back, never = (business_days(start, count) for count in (40, 46, 60))
    yield Payroll(guid(rng), paid, instant(paid, 11) - 2 * DAY, 81_234, 20_318, 8127, reason="Bonus", late=40)
    yield Payroll(guid(rng), back, instant(back, 11), -40_617, -10_159, -4063, reason="Reversal")
    at = instant(never, 10) - 3 * DAY
    yield Payroll(guid(rng), never, at, 12_000, 3000, 1200, reason="Correction", cancelled=at + DAY)
    late = Payroll(guid(rng), never, at, 31_000, 8000, 2400, reason="Dismissed employee", cancelled=at + DAY)
    yield late._replace(deleted=True)


def _bank(payrolls: list[Payroll]) -> Iterator[BankDraft]:
    """What is debited, or given back, on the check date; the insurer collects a month later, on the 3rd."""
    premiums: dict[dt.date, int] = defaultdict(int)
    for one in payrolls:
        if one.cancelled:
            continue
        yield _line(one.check, -one.net - one.reimbursed, "NET PAY", "wages_payable")
        yield _line(one.check, -one.taxes, "TAX", "payroll_taxes_payable")
        if one.support:
            yield _line(one.check, -one.support, "CHILD SUPPORT", "deductions_payable")
        if not one.reason:
            yield _line(one.check, -FEE, "FEE", "expenses:payroll_fees")
        following = one.check.replace(day=1) + dt.timedelta(days=31)
        premiums[following.replace(day=3)] += one.premium + one.share
    for date, amount in premiums.items():
        if amount:
            yield BankDraft(
                CHECKING, date, -amount, "EMPIRE HEALTH PREMIUM", "Empire Health", "insurance",
                role="benefits_payable",
            )  # fmt: skip


def _line(date: dt.date, amount: int, text: str, role: str) -> BankDraft:
    return BankDraft(CHECKING, date, amount, f"GUSTO DES:{text}", "Gusto", "payroll", role=role)
