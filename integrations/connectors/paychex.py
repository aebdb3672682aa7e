"""Paychex Flex (source): each processed pay period as a journal for each day it was paid on, to the cent.

Paychex tells no totals of a payroll, only its checks: they are added up by pay component, and what they hold
must come to their net pay. Traps: dates are midnights in UTC and mean the day; processed checks have a media
type of their own; periods are listed by their own days, not those they are paid on, and never in pages. How
voided, reissued and reversed checks look is not published: what is no regular check of a completed period
waits for a person, who adds its word to the mapping's list of accounts; so do components of classes that are
not named here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from integrations.calls import owner_at
from integrations.paging import Offset
from integrations.records import Record, dig
from integrations.rules import Output, journal, known
from integrations.spec import (
    Children,
    Connector,
    Each,
    Incremental,
    Limits,
    OAuth2,
    Read,
    Setting,
    Settings,
    Stream,
    Test,
    Window,
)
from ledgerhub.core.errors import ConfigError

CLIENT = Read("/companies", {"displayid": "{client_number}"}, records="content")
PERIODS = "/companies/{company}/payperiods"
CHECKS = Read(
    "/companies/{company}/checks",
    {"payperiodid": "{id}"},
    records="content",
    paginator=Offset("offset", 100, "limit", total="metadata.pagination.total"),
    headers={"Accept": "application/vnd.paychex.payroll.processedchecks.v1+json"},
)
SPANS = Window("to", 60, margin=(400, 400), whole=True)  # a correction may be paid a year after its period
NOT_YET = ("INITIAL", "ENTRY", "PROCESSING")
LISTS = ("earnings", "deductions", "informational", "taxes")
# What a component does to the check, or who pays a tax.
WITHHELD = ("NET_PAY", "REDUCTION", "EMPLOYEE_WITHHOLDING")
BORNE = ("EMPLOYER_LIABILITY", "EMPLOYER_INFORMATIONAL")  # by the company, which owes it as well
TOLD = ("ADDITION_WITH_IN_OUT", "INFORMATIONAL")  # had before, or to be known only: not booked
ACCOUNTS = known(
    wages="ADDITION:REGULAR ADDITION:SUPPLEMENTAL ADDITION:SICK_PAY",
    payroll_taxes="EMPLOYER_LIABILITY",
    payroll_taxes_payable="owed:EMPLOYER_LIABILITY owed:EMPLOYEE_WITHHOLDING",
    benefits_payable="owed:REDUCTION:IRA owed:REDUCTION:_401K",
    deductions_payable="owed:REDUCTION:DEDUCTION owed:REDUCTION:UNION_DUES",
    wages_payable="owed:NET_PAY:COMPLETED_REGULAR",
)


def shape_period(period: Record) -> Record:
    """Adds `journals`: the checks of each day added up; none where it is not processed."""
    checks = {check["paycheckId"]: check for check in period.get("checks") or ()}
    if "checks" in period and len(checks) != (counted := period.get("checkCount", len(checks))):
        raise ValueError(f"{len(checks)} checks are listed where {counted} are counted")
    days: dict[str, dict[tuple[str, str], Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for check in checks.values():
        for kind, name, amount in parts(check, period["status"]):
            days[check["checkDate"][:10]][kind, name] += amount
    since, until = (str(period.get(f"{name}Date"))[:10] for name in ("start", "end"))
    journals = [
        {
            "id": f"{period['payPeriodId']} {day}",
            "date": day,
            "memo": f"{period.get('description') or 'Payroll'}, {since} to {until}",
            "lines": [
                {"kind": kind, "name": name, "amount": one}
                for (kind, name), one in sorted(sums.items())
                if one
            ],
        }
        for day, sums in days.items()
    ]
    return {**period, "journals": [one for one in journals if one["lines"]]}


def parts(check: Record, status: str) -> Iterator[tuple[str, str, Decimal]]:
    """(what it is, name, debit) of all that a check holds. What is `memoed` are hours, not the amount."""
    paid = {"paidBy": "NET_PAY", "name": "Net pay", "amount": check["netPay"]}
    paid["classificationType"] = f"{status} {check['checkType']}"
    for one in (*(one for name in LISTS for one in check.get(name) or ()), paid):
        effect, amount = one.get("effectOnPay") or one["paidBy"], Decimal(str(one["amount"]))
        words = ":".join(filter(None, (effect, one.get("classificationType")))).upper().replace(" ", "_")
        if effect in TOLD or not amount:
            continue
        if effect not in WITHHELD:
            yield words, one["name"], amount
        if effect in WITHHELD + BORNE:
            yield f"owed:{words}", one["name"], -amount


RULES = journal("external_id=id date memo", "USD", ACCOUNTS, source="lines[].kind")
PAYROLLS = Stream(
    key="payrolls",
    label="Payrolls",
    help="Pay periods with their checks, once they are processed",
    read=Read(PERIODS, records="content"),
    one=Read(f"{PERIODS}/{{id}}", records="content"),
    gone=lambda period: {name: value for name, value in period.items() if name != "checks"},
    incremental=Incremental("checkDate", "from", overlap=350 * 86_400, window=SPANS),
    each=Each("company", CLIENT, id="companyId", single=True),
    id="payPeriodId",
    children=(Children("checks", CHECKS, when=lambda period: period.get("status") not in NOT_YET),),
    shape=shape_period,
    schedule_minutes=360,
    outputs=(Output("journal", "journal_entry", RULES, each="journals[]"),),
)


def connected(found: Any, at: Settings) -> str:
    names = [company["legalName"] for company in dig(found, "content") or ()]
    if not names:
        raise ConfigError(f"Paychex does not let this application see client {at['client_number']}.")
    return f"Connected to {', '.join(names)}."


connector = Connector(
    key="paychex",
    label="Paychex Flex",
    category="payroll",
    summary="Payrolls as journals: wages by pay component, taxes and deductions, and what is owed for each.",
    base_url="https://api.paychex.com",
    auth=OAuth2("", "/auth/oauth/v2/token", grant="client_credentials"),
    limits=Limits(per_second=3, burst=10),
    settings=(
        Setting("client_id", "API key", required=True, help="developer.paychex.com > your application"),
        Setting("client_secret", "Secret", "secret", required=True),
        Setting("client_number", "Client number", required=True, help="Eight characters, no dash or blank"),
    ),
    streams=(PAYROLLS,),
    test=Test(CLIENT, connected, owner=owner_at("content", "companyId", "legalName")),
    advice={
        401: "Check API key and secret.",
        403: "Let the client grant your application access to payroll.",
    },
)
