"""Simulates the wages of a crew that is paid through Paychex, every other Thursday: a check that was wrong is
corrected in a run of its own weeks later, and one run is deleted."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from integrations.sandbox.events import DAY, business_days, instant
from integrations.sandbox.venture import CHECKING, BankDraft, Booked, Plan, Venture

FEE = 7450  # what Paychex invoices for each run
CREW = 4
FORTNIGHT = dt.timedelta(days=13)


class Paycheck(NamedTuple):
    """In cents; those of a check that is taken back are negative. `saved`: withheld for the pension plan."""

    id: str
    worker: str
    number: int
    hourly: int
    overtime: int = 0
    bonus: int = 0
    saved: int = 0
    dues: int = 0

    @property
    def gross(self) -> int:
        return self.hourly + self.overtime + self.bonus

    @property
    def withheld(self) -> dict[str, int]:
        return {
            "Federal Income Tax": _part(self.gross, 1150),
            "Employee Social Security Tax": _part(self.gross, 620),
            "Employee Medicare Tax": _part(self.gross, 145),
            "New York Income Tax": 0,
        }

    @property
    def borne(self) -> dict[str, int]:
        return {
            "Employer Social Security Tax": _part(self.gross, 620),
            "Employer Medicare Tax": _part(self.gross, 145),
            "New York Unemployment Insurance": _part(self.gross, 310),
        }

    @property
    def taxes(self) -> int:
        return sum(self.withheld.values()) + sum(self.borne.values())

    @property
    def net(self) -> int:
        return self.gross - sum(self.withheld.values()) - self.saved - self.dues

    def back(self, number: int) -> Paycheck:
        """The same taken back: all amounts turned round, as a check of its own."""
        amounts = (-self.hourly, -self.overtime, -self.bonus, -self.saved, -self.dues)
        return Paycheck(f"{self.id[:-1]}X", self.worker, number, *amounts)


class Run(NamedTuple):
    """A pay period and its checks; `processed` and, where somebody deletes it, `deleted` are instants."""

    id: str
    label: str
    since: dt.date
    until: dt.date
    check: dt.date
    processed: int
    checks: tuple[Paycheck, ...]
    deleted: int = 0

    def stands(self, clock: int) -> bool:
        return self.processed <= clock and not self.is_gone(clock)

    def is_gone(self, clock: int) -> bool:
        return 0 < self.deleted <= clock


@dataclass(frozen=True, eq=False)
class Crew(Venture):
    runs: tuple[Run, ...]

    def booked(self, clock: int) -> Iterator[Booked]:
        for run in self.runs:
            if run.stands(clock):
                yield Booked(f"payperiod:{run.id}", "entry", run.check, (
                    ("wages", sum(one.gross for one in run.checks)),
                    ("payroll_taxes", sum(sum(one.borne.values()) for one in run.checks)),
                    ("payroll_taxes_payable", -sum(one.taxes for one in run.checks)),
                    ("benefits_payable", -sum(one.saved for one in run.checks)),
                    ("deductions_payable", -sum(one.dues for one in run.checks)),
                    ("wages_payable", -sum(one.net for one in run.checks)),
                ))  # fmt: skip


def simulate_crew(plan: Plan) -> Crew:
    rng = random.Random(f"{plan.seed}:paychex")
    workers = [_id(rng, 20) for _ in range(CREW)]
    days = [plan.start + dt.timedelta(days=n) for n in range((plan.horizon - plan.start).days + 1)]
    thursdays = [date for date in days if date.weekday() == 3 and (date.toordinal() // 7) % 2]
    runs = [_regular(rng, workers, date, number) for number, date in enumerate(thursdays)]
    runs += [_correction(rng, runs[1], plan.start), _mistake(rng, workers, plan.start)]
    runs.sort(key=lambda one: (one.check, one.id))
    return Crew(runs=tuple(runs), bank_drafts=tuple(_bank(runs)))


def _regular(rng: random.Random, workers: list[str], check: dt.date, number: int) -> Run:
    """With a bonus for everybody in each fourth one."""
    checks = [
        Paycheck(
            _id(rng, 20),
            worker,
            1000 + number * CREW + place,
            hourly=rng.randint(1180, 1620) * 80,
            overtime=rng.choice((0, 0, rng.randint(4000, 16_000))),
            bonus=25_000 if number % 4 == 3 else 0,
            saved=6000 if place < 2 else 0,
            dues=1200 if place == 3 else 0,
        )
        for place, worker in enumerate(workers)
    ]
    until = check - dt.timedelta(days=5)
    at = instant(check, 14) - 2 * DAY
    return Run(_number(rng), "Bi-weekly Payroll (1)", until - FORTNIGHT, until, check, at, tuple(checks))


def _correction(rng: random.Random, wrong: Run, start: dt.date) -> Run:
    """A check that was too high, taken back and made anew weeks later, for the period it was wrong in."""
    paid, first = business_days(start, 55), wrong.checks[0]
    right = first._replace(id=_id(rng, 20), number=2001, hourly=first.hourly - 12_000, overtime=3000)
    at = instant(paid, 10) - DAY
    return wrong._replace(
        id=_number(rng), label="Correction (2)", check=paid, processed=at, checks=(first.back(2000), right)
    )


def _mistake(rng: random.Random, workers: list[str], start: dt.date) -> Run:
    """Deleted on the day after it was processed, before anything was paid."""
    paid = business_days(start, 66)
    at, check = instant(paid, 9) - 3 * DAY, Paycheck(_id(rng, 20), workers[0], 2002, hourly=64_000)
    return Run(_number(rng), "Bonus (3)", paid, paid, paid, at, (check,), deleted=at + DAY)


def _part(amount: int, per_myriad: int) -> int:
    """So many hundredths of a percent, to the cent; as much less than nothing of an amount below it."""
    part = (abs(amount) * per_myriad + 5000) // 10_000
    return part if amount > 0 else -part


def _id(rng: random.Random, length: int) -> str:
    return "".join(rng.choice("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(length))


def _number(rng: random.Random) -> str:
    return f"9700{rng.getrandbits(36):011}"


def _bank(runs: list[Run]) -> Iterator[BankDraft]:
    """Net pay, taxes and the invoice of Paychex; the plan's provider and the union collect a month later."""
    saved, dues = Counter[dt.date](), Counter[dt.date]()
    for run in runs:
        if run.deleted:
            continue
        yield _line(run.check, -sum(one.net for one in run.checks), "PAYROLL", "wages_payable")
        yield _line(run.check, -sum(one.taxes for one in run.checks), "TPS TAXES", "payroll_taxes_payable")
        yield _line(run.check + dt.timedelta(days=1), -FEE, "EIB INVOICE", "expenses:payroll_fees")
        following = run.check.replace(day=1) + dt.timedelta(days=31)
        saved[following.replace(day=6)] += sum(one.saved for one in run.checks)
        dues[following.replace(day=9)] += sum(one.dues for one in run.checks)
    for date, amount in saved.items():
        text = "EVERGREEN RETIREMENT 401K CONTRIB"
        yield BankDraft(
            CHECKING, date, -amount, text, "Evergreen Retirement", "plan", role="benefits_payable"
        )
    for date, amount in dues.items():
        yield BankDraft(
            CHECKING, date, -amount, "LOCAL 802 DUES", "Local 802", "union", role="deductions_payable"
        )


def _line(date: dt.date, amount: int, text: str, role: str) -> BankDraft:
    return BankDraft(CHECKING, date, amount, f"PAYCHEX {text}", "Paychex", "payroll", role=role)
