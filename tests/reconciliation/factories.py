"""Bank lines and documents for the tests of reconciliation, made without files and connectors."""

from __future__ import annotations

import datetime as dt
from itertools import count
from typing import Any

from ledgerhub.access.models import Organization
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.models import Account, Document, Posting, Source, Statement, StatementLine
from reconciliation import open_rows
from tests.ledger.books import book
from tests.ledger.drafts import DAY, document, invoice, payout

_numbers = count(1)


def make_bank(organization: Organization) -> Account:
    """The default chart; gives its checking account."""
    install_chart(organization)
    return account(organization, "bank")


def account(organization: Organization, role: str) -> Account:
    return Account.objects.select_related("organization").get(
        organization=organization, role=role, qualifier=""
    )


def _source(organization: Organization) -> Source:
    return Source.objects.get_or_create(
        organization=organization, key="bank", defaults={"label": "Bank file"}
    )[0]


def make_line(bank: Account, amount: int, *, date: dt.date = DAY, **fields: Any) -> StatementLine:
    number = next(_numbers)
    return StatementLine.objects.create(
        **{
            "organization": bank.organization,
            "account": bank,
            "source": _source(bank.organization),
            "identity": f"line {number}",
            "date": date,
            "amount": amount,
            "currency": "USD",
            "description": f"LINE {number}",
            "position": number,
            **fields,
        }
    )


def make_statement(bank: Account, *, opening: int, closing: int, start: dt.date, end: dt.date) -> Statement:
    return Statement.objects.create(
        organization=bank.organization,
        account=bank,
        source=_source(bank.organization),
        name="March",
        currency="USD",
        start=start,
        end=end,
        opening=opening,
        closing=closing,
    )


def make_payout(bank: Account, amount: int, *, date: dt.date = DAY, id: str = "") -> Posting:
    """A payout in the books; gives its posting on the bank account."""
    number = id or f"po_{next(_numbers):06d}"
    [made] = book(bank.organization, payout(total=amount, date=date, external_id=number))
    return Posting.objects.get(entry__document=made, account=bank)


def make_invoice(
    organization: Organization, total: int, *, number: str = "", contact: str = "Ann Lee", **changes: Any
) -> Document:
    """An unpaid invoice without tax."""
    number = number or f"INV-{next(_numbers):05d}"
    lines = [{"description": "Mug", "amount": total}]
    draft = invoice(
        external_id=number,
        number=number,
        status="open",
        total=total,
        tax=0,
        tenders=[],
        lines=lines,
        **changes,
    )
    return book(organization, draft, contact=contact)[0]


def make_bill(organization: Organization, total: int, *, number: str = "") -> Document:
    number = number or f"B-{next(_numbers):05d}"
    draft = document("bill", external_id=number, number=number, total=total, status="open")
    return book(organization, draft, contact="Finca La Palma")[0]


def balances(organization: Organization) -> dict[str, int]:
    """Code -> balance in minor units, zeros left out."""
    totals: dict[str, int] = {}
    for code, amount in Posting.objects.filter(organization=organization).values_list(
        "account__code", "amount"
    ):
        totals[code] = totals.get(code, 0) + amount
    return {code: total for code, total in sorted(totals.items()) if total}


def all_open(bank: Account) -> dict[str, int]:
    """Every open row of the account -> its open amount."""
    return {
        row: amount
        for table in open_rows.tables(bank)
        for row, amount in zip(table.ids, table.amount.tolist(), strict=True)
    }
