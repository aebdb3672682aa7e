"""Gusto (source): each processed payroll as one journal on its check date, balanced to the cent.

Only the totals of payrolls are asked for: what each person earns stays at Gusto. A year of them is read again
each time, since corrections come late and one that is cancelled is listed as not processed. Traps: the
`check_amount` of totals is what is paid on paper; other deductions stand beside those for benefits or within
them, net pay tells which; reversals are payrolls of negative amounts.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from integrations.calls import owner_at
from integrations.messages import Event, Message, Trust, Webhook, WebhookRefused, is_signed, parsed_object
from integrations.paging import PageNumber
from integrations.records import Record, dig
from integrations.rules import Condition, Output, journal
from integrations.spec import (
    Accounts,
    Choice,
    Connector,
    Headers,
    Incremental,
    Learned,
    Limits,
    OAuth2,
    Read,
    Setting,
    Stream,
    Test,
    Window,
    signing_secret,
)

COMPANY = "/v1/companies/{company}"
OWN = Accounts(Read("/v1/token_info", records="resource"), "company", "Company", "uuid", "type")
HOSTS = (Choice("api.gusto.com", "Gusto"), Choice("api.gusto-demo.com", "Gusto's demo"))
# Parts of other totals, or how the money is collected: booked nowhere by themselves.
TOLD = (
    *("employee_bonuses", "employee_commissions", "additional_earnings", "imputed_pay", "check_amount"),
    *("company_debit", "net_pay_debit", "reimbursement_debit", "child_support_debit"),
)


def shape_payroll(payroll: Record) -> Record:
    """Adds `memo` and `lines`; none where it is not processed, was run outside of Gusto, or moves nothing."""
    counts = payroll.get("processed") is True and payroll.get("external") is not True
    kind = (payroll.get("off_cycle_reason") or "off-cycle") if payroll.get("off_cycle") else "regular"
    since, until = (dig(payroll, f"pay_period.{name}_date") for name in ("start", "end"))
    memo = f"Payroll ({kind}) {since or '?'} to {until or '?'}"
    return {**payroll, "memo": memo, "lines": lines(payroll["totals"]) if counts else []}


def lines(totals: Record) -> list[Record]:
    """Debits positive, each by the role of its account; what is not understood has none, and waits."""
    left = {name: Decimal(str(amount or 0)) for name, amount in totals.items() if name not in TOLD}
    gross, cash_tips, tips = map(left.pop, ("gross_pay", "employee_cash_tips", "employee_paycheck_tips"))
    net, reimbursed, debited = map(left.pop, ("net_pay", "reimbursements", "tax_debit"))
    withheld_taxes, our_taxes, benefits = map(left.pop, ("employee_taxes", "employer_taxes", "benefits"))
    for_benefits, others = map(left.pop, ("employee_benefits_deductions", "other_deductions"))
    withheld, taxes = gross - cash_tips - withheld_taxes - net, withheld_taxes + our_taxes
    amounts = {
        "wages": gross - cash_tips - tips,  # cash tips are in gross pay, but were had before
        "tips": tips,
        "payroll_taxes": our_taxes,
        "benefits": benefits,
        "expenses": reimbursed,
        "wages_payable": -net - reimbursed,
        "payroll_taxes_payable": -taxes,
        "benefits_payable": others - withheld - benefits,
        "deductions_payable": -others,
        "deductions that do not explain net pay": int(withheld not in (for_benefits, for_benefits + others)),
        "taxes debited beyond those of the totals": max(abs(debited) - abs(taxes), 0),
        **{f"Gusto's {name}": amount for name, amount in left.items()},
    }
    return [{"role": role, "amount": amount} for role, amount in amounts.items() if amount]


ASKED = {
    "processing_statuses": "processed,unprocessed",
    "payroll_types": "regular,off_cycle",
    "include": "totals",
    "date_filter_by": "check_date",
}
# At most a year is asked for at once, three months of it ahead; off-cycle payrolls are found by their period.
SPANS = Window("end_date", 60, margin=(270, 30), whole=True)
RULES = journal("external_id=payroll_uuid date=check_date memo", "USD")
PAYROLLS = Stream(
    key="payrolls",
    label="Payrolls",
    help="Regular ones, off-cycle ones and reversals, once they are processed",
    read=Read(f"{COMPANY}/payrolls", ASKED, paginator=PageNumber("page", 100, "per")),
    one=Read(f"{COMPANY}/payrolls/{{id}}", {"per": "1"}),  # only whether it is there
    gone=lambda payroll: {**payroll, "processed": False},
    incremental=Incremental("check_date", "start_date", "date", 350 * 86_400, window=SPANS),
    id="payroll_uuid",
    shape=shape_payroll,
    outputs=(Output("journal", "journal_entry", RULES, when=(Condition("lines", "exists"),)),),
)


def verify(message: Message, trust: Trust) -> tuple[Event, ...]:
    """Hex HMAC of the raw body by the verification token, which the first message brings without any."""
    body = parsed_object(message.body)
    if set(body) == {"verification_token", "webhook_subscription_uuid"}:
        return ()
    if not is_signed(message.body, trust.secrets, [message.headers.get("x-gusto-signature", "")], "hex"):
        raise WebhookRefused("The signature is not that of the verification token that is stored.")
    named = [str(body.get(name, "")) for name in ("uuid", "event_type", "entity_type", "resource_uuid")]
    return (Event(named[0], named[1], "payrolls" if named[2] == "Payroll" else "", "", named[3]),)


def learn(headers: Headers, body: Any) -> Learned | None:
    """So many calls a minute for each application and user."""
    left, most = (headers.get(f"x-ratelimit-{name}", "") for name in ("remaining", "limit"))
    told = re.fullmatch(r"(\d{1,6})/([1-9]\d{0,5})", f"{left}/{most}")
    return Learned(int(told[1]), int(told[2]), int(told[2]) / 60) if told else None


connector = Connector(
    key="gusto",
    label="Gusto",
    category="payroll",
    summary="Payrolls as journals: wages, taxes, benefits and deductions, and what is owed for each.",
    base_url="https://{host}",
    auth=OAuth2("https://{host}/oauth/authorize", "/oauth/token", pkce=False, accounts=OWN),
    headers={"X-Gusto-API-Version": "2025-06-15"},
    limits=Limits(per_second=3, burst=50, learn=learn),
    settings=(
        Setting("client_id", "Client ID", required=True, help="dev.gusto.com > your application"),
        Setting("client_secret", "Secret", "secret", required=True),
        Setting("host", "Where", "choice", default="api.gusto.com", choices=HOSTS),
        Setting("company", "Company", told=True),
        signing_secret("webhook_token", "Verification token", "Of the webhook subscription"),
    ),
    streams=(PAYROLLS,),
    test=Test(Read(COMPANY), owner=owner_at("", "uuid", "name"), note=lambda company, at: at["host"]),
    webhook=Webhook(
        verify,
        secret="webhook_token",
        tolerance=0,
        account="company",
        setup="Optional: payrolls are read hourly anyway. Subscribe to Payroll (v1/webhook_subscriptions), "
        "read the token that comes first off a proxy before this server, confirm it at Gusto, save it here.",
    ),
    advice={401: "Connect it again.", 403: "Give the application the scopes payrolls:read, companies:read."},
)
